import { REMOTE_OPTIONS, runTool, storeOption } from '@pipelayer/cli'
import { EDIT_OPTIONS } from '@pipelayer/image-edits'
import { machinePlatform } from '@pipelayer/pulling'
import { optionsOf } from './arguments.js'
import { imgCommit } from './index.js'

runTool({
  name: 'img-commit',
  summary: 'make an image of what changed in a directory against another image',
  options: {
    upper: { type: 'string', value: 'DIR', describe: 'upper directory of an overlay whose lower is IMAGE' },
    lower: {
      type: 'array',
      value: 'DIR',
      describe:
        'with --upper: directory below it; repeat it, nearest first (without one, all of the upper counts)',
    },
    xattrs: {
      type: 'string',
      choices: ['trusted', 'user'],
      describe: 'with --upper: prefix of its overlay xattrs (default: trusted)',
    },
    root: { type: 'string', value: 'DIR', describe: 'whole root filesystem, compared with IMAGE' },
    ...EDIT_OPTIONS,
    change: {
      type: 'array',
      alias: 'c',
      value: 'INSTRUCTION',
      describe: 'instruction of a Dockerfile that changes the config, as of docker commit (repeatable)',
    },
    message: { type: 'string', alias: 'm', value: 'TEXT', describe: 'comment in the history' },
    created: {
      type: 'string',
      value: 'TIME',
      describe: 'creation time, RFC 3339 (default: SOURCE_DATE_EPOCH, else now)',
    },
    platform: {
      type: 'string',
      value: 'OS/ARCH[/VARIANT]',
      describe: 'which manifest of an index to take (default: this machine, linux)',
    },
    store: storeOption('where documents and layers go'),
    ...REMOTE_OPTIONS,
  },
  positionals: { synopsis: 'IMAGE NEW', min: 2, max: 2 },
  input: 'none',
  run: (_records, args, context) =>
    imgCommit(optionsOf(args, { ...context, now: context.now(), machine: machinePlatform() })),
})

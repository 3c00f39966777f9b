import { REMOTE_OPTIONS, remoteAccess, runTool, storeOption } from '@pipelayer/cli'
import { parsePlatform } from '@pipelayer/oci'
import { remoteOptions } from '@pipelayer/places'
import { machinePlatform } from '@pipelayer/pulling'
import { defaultStorePath } from '@pipelayer/store'
import { imgHistory } from './index.js'
import { FORMATS, textForm } from './text.js'

runTool({
  name: 'img-history',
  summary: 'show how the layers of an image came about, as docker history does',
  options: {
    format: {
      type: 'string',
      choices: FORMATS,
      describe: 'form of stdout (default: text on a terminal, else records)',
    },
    'no-trunc': { type: 'boolean', describe: 'as text, show commands, digests and times in full' },
    platform: {
      type: 'string',
      value: 'OS/ARCH[/VARIANT]',
      describe: 'which manifest of an index to show (default: this machine, linux)',
    },
    store: storeOption('the store'),
    ...REMOTE_OPTIONS,
  },
  positionals: { synopsis: 'IMAGE', min: 1, max: 1 },
  input: 'none',
  text: (args, { terminal }) =>
    textForm({
      format: args.format ?? (terminal ? 'text' : 'records'),
      full: args['no-trunc'],
      now: new Date(),
    }),
  run: (_records, args, context) => {
    const machine = machinePlatform()
    return imgHistory({
      store: args.store ?? defaultStorePath(context.env),
      image: args._[0] ?? '',
      platform: args.platform === undefined ? machine : parsePlatform(args.platform, machine),
      ...remoteOptions(remoteAccess(args), context),
    })
  },
})

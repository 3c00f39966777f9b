import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { COMMAND_HELP, clusterImage } from './index.js'
import { FORMATS, textForm } from './text.js'

runTool({
  name: 'cluster-image',
  summary: 'inspect, check, compare, save, load, merge and name cluster images of the store',
  options: {
    format: {
      type: 'string',
      choices: FORMATS,
      describe: 'form of stdout (default: yaml on a terminal, else records)',
    },
    clusterfile: { type: 'boolean', alias: 'c', describe: 'of inspect: the Clusterfile alone' },
    output: { type: 'string', alias: 'o', value: 'FILE', describe: 'of save: the archive' },
    tag: { type: 'string', alias: 't', value: 'NAME', describe: 'of merge and load: the name of the image' },
    'new-ids': {
      type: 'boolean',
      describe: 'of load: take an archive whose ids are not those of its content',
    },
    force: {
      type: 'boolean',
      alias: 'f',
      describe: 'of rm: all names of the image; no error where there is none',
    },
    created: {
      type: 'string',
      value: 'TIME',
      describe: 'of merge and load: RFC 3339 (default: SOURCE_DATE_EPOCH, else now)',
    },
    store: storeOption('the store'),
  },
  positionals: { synopsis: 'COMMAND [NAME...]', min: 1, max: Number.POSITIVE_INFINITY },
  commands: COMMAND_HELP,
  input: 'none',
  text: (args, { terminal }) => textForm(args.format ?? (terminal ? 'yaml' : 'records'), args),
  isBad: record => record.type === 'finding' && record.severity === 'error',
  run: (_, args, { env, now, signal, stdin }) =>
    clusterImage(args._, {
      env,
      now,
      signal,
      stdin,
      output: args.output,
      tag: args.tag,
      newIDs: args['new-ids'],
      force: args.force,
      created: args.created,
      clusterfile: args.clusterfile,
      store: args.store ?? defaultStorePath(env),
    }),
})

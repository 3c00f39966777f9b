import { runTool } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { blobPut } from './index.js'

runTool({
  name: 'blob-put',
  summary: 'write the images of a stream to a registry or another place',
  options: {
    store: {
      type: 'string',
      value: 'DIR',
      describe: 'the store of "store:" places (default: $PIPELAYER_STORE or ~/.local/share/pipelayer)',
    },
    'plain-http': { type: 'boolean', describe: 'speak plain HTTP to registries, not only to local ones' },
  },
  positionals: { synopsis: '[PLACE]', min: 0, max: 1 },
  input: 'records',
  run: (records, args, { env, signal, warn }) =>
    blobPut(records, {
      place: args._[0],
      store: args.store ?? defaultStorePath(env),
      plainHttp: args['plain-http'],
      env,
      signal,
      warn,
    }),
})

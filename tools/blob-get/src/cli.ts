import { REMOTE_OPTIONS, remoteAccess, runTool, storeOption } from '@pipelayer/cli'
import { remoteOptions } from '@pipelayer/places'
import { defaultStorePath } from '@pipelayer/store'
import { blobGet } from './index.js'

runTool({
  name: 'blob-get',
  summary: 'write the bytes of one blob',
  options: {
    output: {
      type: 'string',
      alias: 'o',
      value: 'FILE',
      describe: 'write FILE, when it is whole; a broken transfer goes on at the next call',
    },
    store: storeOption('the store of "store:" places'),
    ...REMOTE_OPTIONS,
  },
  positionals: { synopsis: 'PLACE DIGEST | NAME@DIGEST', min: 1, max: 2 },
  input: 'none',
  output: 'bytes',
  isSilent: args => args.output !== undefined,
  run: (_records, args, context) =>
    blobGet({
      words: args._,
      file: args.output,
      store: args.store ?? defaultStorePath(context.env),
      ...remoteOptions(remoteAccess(args), context),
    }),
})

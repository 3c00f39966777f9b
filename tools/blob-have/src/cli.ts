import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { blobHave } from './index.js'

runTool({
  name: 'blob-have',
  summary: 'say which blobs a store has',
  options: {
    store: storeOption('the store'),
  },
  input: 'none',
  run: (_records, args, context) => blobHave(args.store ?? defaultStorePath(context.env)),
})

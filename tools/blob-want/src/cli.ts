import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { blobWant } from './index.js'

runTool({
  name: 'blob-want',
  summary: 'say which blobs of images a store lacks',
  options: {
    store: storeOption('the store'),
  },
  input: 'records',
  run: (records, args, context) => blobWant(records, args.store ?? defaultStorePath(context.env)),
})

import { runTool } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { blobWant } from './index.js'

runTool({
  name: 'blob-want',
  summary: 'say which blobs of images a store lacks',
  options: {
    store: {
      type: 'string',
      value: 'DIR',
      describe: 'the store (default: $PIPELAYER_STORE or ~/.local/share/pipelayer)',
    },
  },
  input: 'records',
  run: (records, args, context) => blobWant(records, args.store ?? defaultStorePath(context.env)),
})

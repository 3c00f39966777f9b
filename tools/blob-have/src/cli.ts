import { runTool } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { blobHave } from './index.js'

runTool({
  name: 'blob-have',
  summary: 'say which blobs a store has',
  options: {
    store: {
      type: 'string',
      value: 'DIR',
      describe: 'the store (default: $PIPELAYER_STORE or ~/.local/share/pipelayer)',
    },
  },
  input: 'none',
  run: (_records, args, context) => blobHave(args.store ?? defaultStorePath(context.env)),
})

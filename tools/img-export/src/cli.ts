import { runTool } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { imgExport } from './index.js'

runTool({
  name: 'img-export',
  summary: 'write images of the store, or what of them is missing elsewhere, as an archive',
  options: {
    store: {
      type: 'string',
      value: 'DIR',
      describe: 'the store that has the blobs (default: $PIPELAYER_STORE or ~/.local/share/pipelayer)',
    },
  },
  input: 'records',
  output: 'bytes',
  run: (records, args, context) => imgExport(records, { store: args.store ?? defaultStorePath(context.env) }),
})

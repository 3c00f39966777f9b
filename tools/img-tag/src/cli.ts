import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { imgTag } from './index.js'

runTool({
  name: 'img-tag',
  summary: 'give an image of the store more names',
  options: {
    verify: { type: 'boolean', describe: 'read all blobs of the image, and compare them with their digests' },
    store: storeOption('the store'),
  },
  positionals: { synopsis: 'IMAGE NAME...', min: 2, max: Number.POSITIVE_INFINITY },
  input: 'none',
  // A terminal gets nothing, as with docker tag.
  text: (_args, { terminal }) => (terminal ? { record: () => '', end: () => '' } : undefined),
  run: (_records, args, context) => {
    const [source = '', ...names] = args._
    return imgTag({ store: args.store ?? defaultStorePath(context.env), source, names, verify: args.verify })
  },
})

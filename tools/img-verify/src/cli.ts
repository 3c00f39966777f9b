import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { imgVerify } from './index.js'
import { textForm } from './text.js'

runTool({
  name: 'img-verify',
  summary: 'prove that the images of the store are what their digests say',
  options: {
    deep: {
      type: 'boolean',
      describe: 'decompress layers too, and compare them with the diffIDs of the config',
    },
    repair: { type: 'boolean', describe: 'set damaged blobs aside, so that the next pull fetches them' },
    store: storeOption('the store'),
  },
  positionals: { synopsis: '[NAME...]', min: 0, max: Number.POSITIVE_INFINITY },
  input: 'none',
  text: (_args, { terminal }) => (terminal ? textForm() : undefined),
  run: (_records, { _: names, deep, repair, store }, { env, signal }) =>
    imgVerify({ root: store ?? defaultStorePath(env), names, deep, repair, signal }),
})

import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath, holdStore } from '@pipelayer/store'
import { imgExport } from './index.js'

runTool({
  name: 'img-export',
  summary: 'write images of the store, or what of them is missing elsewhere, as an archive',
  options: {
    store: storeOption('the store that has the blobs'),
    'additional-tag': {
      type: 'array',
      value: 'REFERENCE',
      describe: 'a further name of the one image that comes',
    },
  },
  input: 'records',
  output: 'bytes',
  run: (records, args, context) => {
    holdStore(args.store, context.env)
    return imgExport(records, {
      store: args.store ?? defaultStorePath(context.env),
      additionalTags: args['additional-tag'],
    })
  },
})

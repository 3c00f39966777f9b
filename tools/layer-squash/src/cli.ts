import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath, holdStore, Store } from '@pipelayer/store'
import { cutOf, layerSquash } from './index.js'

runTool({
  name: 'layer-squash',
  summary: 'merge the upper layers of an image into one, and keep its base',
  options: {
    from: {
      type: 'number',
      value: 'N',
      describe: 'merge this layer and all above it; counts from 1, base first',
    },
    onto: { type: 'string', value: 'DIGEST', describe: 'merge all above this layer, by digest or diffID' },
    store: storeOption('where blobs without a path are'),
  },
  input: 'records',
  run: (records, args, context) => {
    holdStore(args.store, context.env)
    const cut = cutOf(args.from, args.onto)
    const open = (digest: string): AsyncIterable<Buffer> =>
      Store.open(args.store ?? defaultStorePath(context.env), { create: false }).openBlob(digest)
    return layerSquash(records, { cut, open, onWarning: context.warn, signal: context.signal })
  },
})

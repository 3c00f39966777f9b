import path from 'node:path'
import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath, holdStore, Store } from '@pipelayer/store'
import { layerNames } from './choice.js'
import { layerLs, listFile, listStream } from './index.js'
import { FORMATS, textForm } from './text.js'

runTool({
  name: 'layer-ls',
  summary: 'list the entries of layers, or of a tar',
  options: {
    layer: {
      type: 'array',
      value: 'N|DIGEST',
      describe: 'list this layer only, the others pass; N counts from 1, base first (repeatable)',
    },
    format: {
      type: 'string',
      choices: FORMATS,
      describe: 'form of stdout (default: text on a terminal, else records)',
    },
    store: storeOption('where blobs without a path are'),
  },
  positionals: { synopsis: '[FILE]', min: 0, max: 1 },
  input: args => (args._.length > 0 ? 'none' : 'records'),
  text: (args, { terminal }) => textForm(args.format ?? (terminal ? 'text' : 'records')),
  run: (records, args, context) => {
    const how = { onWarning: context.warn, signal: context.signal }
    const file = args._[0]
    if (file === '-') return listStream(context.stdin, how)
    if (file !== undefined) return listFile(path.resolve(file), how)
    holdStore(args.store, context.env)
    const open = (digest: string): AsyncIterable<Buffer> =>
      Store.open(args.store ?? defaultStorePath(context.env), { create: false }).openBlob(digest)
    return layerLs(records, { ...how, open, layers: layerNames(args.layer) })
  },
})

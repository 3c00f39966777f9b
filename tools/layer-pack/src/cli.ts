import { runTool, storeOption } from '@pipelayer/cli'
import { bytesOf, optionsOf } from './arguments.js'
import { layerPack, packArchive, packDir } from './index.js'

runTool({
  name: 'layer-pack',
  summary: 'pack changes, a tree or a tar into a layer in the store',
  options: {
    dir: { type: 'string', value: 'TREE', describe: 'pack a whole tree, in place of records' },
    tar: { type: 'string', value: 'FILE', describe: 'pack a tar as it is, plain or compressed; - is stdin' },
    compress: {
      type: 'string',
      value: 'gzip[:0-9]|zstd[:1-22]|none',
      describe: 'compression and level',
      default: 'gzip',
    },
    engine: {
      type: 'string',
      choices: ['libisal', 'libdeflate', 'libzstd'],
      describe: "the system's compressor in place of Node's: gzip by libisal or libdeflate, zstd by libzstd",
    },
    workers: { type: 'number', value: 'N', describe: 'blocks compressed at a time; never changes the bytes' },
    store: storeOption('where the layer goes'),
    filtered: {
      type: 'boolean',
      alias: 'from-entries',
      describe: 'take changes that a filter altered, and keep them out of the cache',
    },
    'source-root': {
      type: 'array',
      value: 'DIR',
      describe: 'take files that records name from below DIR alone (repeatable; default: from anywhere)',
    },
    'mtime-ns': { type: 'boolean', describe: 'keep nanoseconds of times (default: whole seconds)' },
    'media-types': {
      type: 'string',
      choices: ['oci', 'docker'],
      describe: 'family of the media type (default: oci)',
    },
    'created-by': { type: 'string', value: 'TEXT', describe: 'with --dir or --tar: what made the layer' },
    created: {
      type: 'string',
      value: 'TIME',
      describe: 'with --dir or --tar: when, RFC 3339 (default: SOURCE_DATE_EPOCH, else now)',
    },
  },
  input: args => (args.dir === undefined && args.tar === undefined ? 'records' : 'none'),
  run: (records, args, context) => {
    const options = { ...optionsOf(args, context), onWarning: context.warn, signal: context.signal }
    if (args.dir !== undefined) return packDir(args.dir, options)
    if (args.tar !== undefined) return packArchive(bytesOf(args.tar, context.stdin), options)
    return layerPack(records, options)
  },
})

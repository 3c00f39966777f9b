import { runTool } from '@pipelayer/cli'
import { defaultStorePath, holdStore, Store } from '@pipelayer/store'
import { sourceOf } from './arguments.js'
import { diffTwoImages } from './images.js'
import { diffLayer, ovlDiff } from './index.js'

runTool({
  name: 'ovl-diff',
  summary: 'write what changed between the lower and the upper of a snapshot, two trees or two images',
  options: {
    upper: {
      type: 'string',
      value: 'DIR',
      describe: 'overlay upper directory to read, in place of snapshots',
    },
    lower: {
      type: 'array',
      value: 'DIR',
      describe: 'directory below it; repeat it, nearest first (without one, every whiteout counts)',
    },
    xattrs: {
      type: 'string',
      choices: ['trusted', 'user'],
      describe: 'with --upper: prefix of its overlay xattrs (default: trusted)',
    },
    'all-xattrs': {
      type: 'boolean',
      describe: 'keep every xattr but those of overlayfs (default: user.* and security.capability)',
    },
    images: { type: 'boolean', describe: 'compare the two images of the stream, told from their layers' },
    store: {
      type: 'string',
      value: 'DIR',
      describe:
        'with --images: where blobs without a path are (default: $PIPELAYER_STORE or ~/.local/share/pipelayer)',
    },
    'created-by': {
      type: 'string',
      value: 'TEXT',
      describe: 'with arguments or --images: what made the layer',
    },
  },
  positionals: { synopsis: '[BEFORE] [AFTER]', min: 0, max: 2 },
  input: args => (args._.length > 0 || args.upper !== undefined ? 'none' : 'records'),
  run: (records, args, context) => {
    const source = sourceOf({ ...args, trees: args._, createdBy: args['created-by'], images: args.images })
    const { warn: onWarning, detail: onInfo, signal } = context
    if (source === undefined) holdStore(args.store, context.env)
    const options = { allXattrs: args['all-xattrs'], onWarning, onInfo, signal }
    if (args.images) {
      const open = (digest: string): AsyncIterable<Buffer> =>
        Store.open(args.store ?? defaultStorePath(context.env), { create: false }).openBlob(digest)
      return diffTwoImages(records, { ...options, open, createdBy: args['created-by'] })
    }
    return source === undefined ? ovlDiff(records, options) : diffLayer(source, options)
  },
})

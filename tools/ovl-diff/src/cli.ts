import { runTool } from '@pipelayer/cli'
import { sourceOf } from './arguments.js'
import { diffLayer, ovlDiff } from './index.js'

runTool({
  name: 'ovl-diff',
  summary: 'write what changed between the lower and the upper of a snapshot, or between two trees',
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
    'created-by': { type: 'string', value: 'TEXT', describe: 'with arguments: what made the layer' },
  },
  positionals: { synopsis: '[BEFORE] [AFTER]', min: 0, max: 2 },
  input: args => (args._.length > 0 || args.upper !== undefined ? 'none' : 'records'),
  run: (records, args, context) => {
    const source = sourceOf({ ...args, trees: args._, createdBy: args['created-by'] })
    const options = { allXattrs: args['all-xattrs'], onWarning: context.warn, signal: context.signal }
    return source === undefined ? ovlDiff(records, options) : diffLayer(source, options)
  },
})

import { runTool } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { defaultStorePath, Store } from '@pipelayer/store'
import { untar } from './index.js'

runTool({
  name: 'untar',
  summary: 'unpack layers to a root filesystem',
  options: {
    into: { type: 'boolean', describe: 'write over a directory that is not empty, in place' },
    tar: {
      type: 'array',
      value: 'FILE',
      describe: 'unpack a tar, in place of records; repeat it, lowest first',
    },
    overlay: { type: 'boolean', describe: 'make a directory for each layer, as overlayfs takes them' },
    xattrs: {
      type: 'string',
      choices: ['trusted', 'user'],
      default: 'trusted',
      describe: 'with --overlay: prefix of its xattrs',
    },
    store: {
      type: 'string',
      value: 'DIR',
      describe: 'where blobs without a path are (default: $PIPELAYER_STORE or ~/.local/share/pipelayer)',
    },
  },
  positionals: { synopsis: 'DIR', min: 1, max: 1 },
  input: args => (args.tar.length > 0 ? 'none' : 'records'),
  run: (records, args, context) => {
    // `USAGE`: what is written over in place has no layers of its own.
    if (args.into && args.overlay)
      throw new ToolError('USAGE', '--into and --overlay exclude each other', { status: 2 })
    const options = {
      target: args._[0] ?? '',
      tars: args.tar,
      into: args.into,
      ...(args.overlay ? { overlay: args.xattrs === 'user' ? ('user' as const) : ('trusted' as const) } : {}),
      store: () => Store.open(args.store ?? defaultStorePath(context.env), { create: false }),
      onWarning: context.warn,
      onExit: context.onExit,
      signal: context.signal,
    }
    return untar(records, options)
  },
})

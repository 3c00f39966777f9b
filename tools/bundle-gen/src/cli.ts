import { runTool } from '@pipelayer/cli'
import { callerOptions } from './caller.js'
import { FLAGS } from './flags.js'
import { bundleGen } from './index.js'
import { NETWORKS } from './wishes.js'

runTool({
  name: 'bundle-gen',
  summary: 'write an OCI runtime bundle for an image and its root filesystem',
  options: FLAGS,
  positionals: { synopsis: 'BUNDLE [-- COMMAND...]', min: 1, max: Number.POSITIVE_INFINITY },
  input: 'records',
  run: (records, { _: [bundle = '', ...command], ...args }, { warn, env }) =>
    bundleGen(records, {
      bundle,
      ...args,
      network: NETWORKS.find(name => name === args.network),
      terminal: args.tty || args.terminal,
      readOnly: args['read-only'],
      envFile: args['env-file'],
      capAdd: args['cap-add'],
      capDrop: args['cap-drop'],
      memorySwap: args['memory-swap'],
      pidsLimit: args['pids-limit'],
      onWarning: warn,
      rootless: undefined,
      ...callerOptions(args, env),
      ...(command.length > 0 ? { command } : {}),
    }),
})

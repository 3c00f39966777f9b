import { runTool } from '@pipelayer/cli'
import { bundleGen } from './index.js'

const NETWORKS = ['host', 'none'] as const

runTool({
  name: 'bundle-gen',
  summary: 'write an OCI runtime bundle for an image and its root filesystem',
  options: {
    rootfs: { type: 'string', value: 'DIR', describe: 'the root filesystem (default: BUNDLE/rootfs)' },
    network: { type: 'string', choices: NETWORKS, describe: 'what the container reaches', default: 'host' },
    'read-only': { type: 'boolean', describe: 'the root filesystem is not written to' },
    terminal: { type: 'boolean', alias: 't', describe: 'the process gets a terminal' },
    rootless: { type: 'boolean', describe: 'for a runtime that you start without being root' },
  },
  positionals: { synopsis: 'BUNDLE [-- COMMAND...]', min: 1, max: Number.POSITIVE_INFINITY },
  input: 'records',
  run: (records, { _: [bundle = '', ...command], ...args }, { warn }) =>
    bundleGen(records, {
      bundle,
      rootfs: args.rootfs,
      network: args.network === 'none' ? 'none' : 'host',
      readOnly: args['read-only'],
      terminal: args.terminal,
      onWarning: warn,
      rootless: args.rootless ? { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 } : undefined,
      ...(command.length > 0 ? { command } : {}),
    }),
})

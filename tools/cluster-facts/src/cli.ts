import { HOST_OPTIONS, runTool, SSH_OPTIONS } from '@pipelayer/cli'
import { clusterOf, sshOptionsOf } from '@pipelayer/cluster-hosts'
import { clusterFacts } from './index.js'

runTool({
  name: 'cluster-facts',
  summary: 'ask hosts by ssh what they are',
  options: { ...HOST_OPTIONS, ...SSH_OPTIONS },
  positionals: { synopsis: '[CLUSTERFILE]', min: 0, max: 1 },
  input: 'none',
  run: async function* (_records, args, context) {
    const cluster = await clusterOf({ ...args, file: args._[0] }, context)
    yield* clusterFacts({ cluster, now: context.now, warn: context.warn, ...sshOptionsOf(args, context) })
  },
})

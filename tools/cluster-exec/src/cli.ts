import { runTool, SSH_OPTIONS, storeOption } from '@pipelayer/cli'
import { clusterOf, sshOptionsOf } from '@pipelayer/cluster-hosts'
import { defaultStorePath } from '@pipelayer/store'
import { clusterExec } from './index.js'

runTool({
  name: 'cluster-exec',
  summary: 'do on hosts what a plan says',
  options: {
    clusterfile: {
      type: 'string',
      value: 'FILE',
      describe: 'says how hosts are reached; of a plan nothing else is read in it',
    },
    width: { type: 'number', value: 'N', default: 20, describe: 'how many operations run at a time' },
    'keep-going': { type: 'boolean', describe: 'go on with what does not need an operation that failed' },
    undo: { type: 'boolean', describe: 'undo what earlier runs of this plan have done, the last first' },
    timeout: {
      type: 'number',
      value: 'SECONDS',
      describe: 'how long one command may take (default: no limit)',
    },
    store: storeOption('where the blobs of images are'),
    ...SSH_OPTIONS,
  },
  input: 'records',
  isBad: record => record.type === 'outcome' && record.result === 'failed',
  run: async function* (records, args, context) {
    yield* clusterExec(records, {
      cluster: await clusterOf({ ...args, file: args.clusterfile }, context),
      store: args.store ?? defaultStorePath(context.env),
      width: Math.max(1, args.width),
      keepGoing: args['keep-going'],
      undo: args.undo,
      timeout: args.timeout,
      now: context.now,
      output: context.output,
      ...sshOptionsOf(args, context),
    })
  },
})

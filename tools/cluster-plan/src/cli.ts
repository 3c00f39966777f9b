import { HOST_OPTIONS, runTool, storeOption } from '@pipelayer/cli'
import { clusterOf } from '@pipelayer/cluster-hosts'
import { defaultStorePath } from '@pipelayer/store'
import { clusterPlan } from './index.js'
import { purposeOf } from './purpose.js'
import { FORMATS, textForm } from './text.js'

runTool({
  name: 'cluster-plan',
  summary: 'say what is to be done to make, change or delete a cluster',
  options: {
    ...HOST_OPTIONS,
    env: { type: 'array', alias: 'e', value: 'NAME=VALUE', describe: 'a variable for scripts and templates' },
    'cmd-args': { type: 'array', value: 'WORD', describe: 'an argument of the commands of the image' },
    join: { type: 'string', value: 'LIST', describe: 'plan for these hosts of the cluster to join it' },
    remove: { type: 'string', value: 'LIST', describe: 'plan for these hosts of the cluster to leave it' },
    delete: { type: 'boolean', describe: 'plan for the cluster to be taken away' },
    store: storeOption('where the image is'),
    format: {
      type: 'string',
      choices: FORMATS,
      describe: 'form of stdout (default: text on a terminal, else records)',
    },
  },
  positionals: { synopsis: 'IMAGE [CLUSTERFILE]', min: 1, max: 2 },
  input: 'records',
  text: (args, { terminal }) => textForm(args.format ?? (terminal ? 'text' : 'records')),
  isBad: record => record.type === 'finding' && record.severity === 'error',
  run: async function* (records, args, context) {
    const [image = '', file] = args._
    const cluster = await clusterOf({ ...args, file, arguments: args['cmd-args'] }, context)
    const store = args.store ?? defaultStorePath(context.env)
    yield* clusterPlan(records, {
      cluster,
      image,
      store,
      purpose: purposeOf(args),
      env: context.env,
      signal: context.signal,
    })
  },
})

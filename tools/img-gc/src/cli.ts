import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { ageOf, bytesOf, removerFor } from './arguments.js'
import { imgGc } from './index.js'
import { textForm } from './text.js'

runTool({
  name: 'img-gc',
  summary: 'remove from the store what nobody needs',
  options: {
    'min-age': {
      type: 'string',
      value: 'DURATION',
      default: '24h',
      describe: 'keep what was used or written in this time',
    },
    'keep-bytes': {
      type: 'string',
      value: 'BYTES',
      describe: 'keep this much of the build cache even if it is older, what was used last (500MB, 20GiB)',
    },
    'dry-run': { type: 'boolean', describe: 'tell what would be removed, and remove nothing' },
    wait: {
      type: 'number',
      value: 'SECONDS',
      default: 10,
      describe: 'wait so long for other programs that use the store',
    },
    store: storeOption('the store'),
  },
  input: 'none',
  text: (args, { terminal }) => (terminal ? textForm({ isDryRun: args['dry-run'] }) : undefined),
  run: (_records, args, { env, signal, now }) =>
    imgGc({
      root: args.store ?? defaultStorePath(env),
      minAgeMs: ageOf(args['min-age']),
      keepBytes: bytesOf(args['keep-bytes']),
      dryRun: args['dry-run'],
      waitMs: args.wait * 1000,
      now: now(),
      signal,
      removeAsOwner: removerFor(env),
    }),
})

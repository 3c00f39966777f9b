import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { ageOf, bytesOf, folderOf, removerFor } from './arguments.js'
import { imgGc, registryGc } from './index.js'
import { textForm } from './text.js'

runTool({
  name: 'img-gc',
  summary: 'remove from the store, or from the folder of a registry, what nobody needs',
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
    'delete-untagged': {
      type: 'boolean',
      describe: 'of a registry: remove manifests to which no tag leads, too',
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
  positionals: { synopsis: '[registry-fs:ROOT]', min: 0, max: 1 },
  input: 'none',
  text: (args, { terminal }) => (terminal ? textForm({ isDryRun: args['dry-run'] }) : undefined),
  run: (_records, args, { env, signal, now }) => {
    const deleteUntagged = args['delete-untagged']
    const folder = folderOf(args._[0], { keepBytes: args['keep-bytes'] !== undefined, deleteUntagged })
    const common = { minAgeMs: ageOf(args['min-age']), dryRun: args['dry-run'], now: now(), signal }
    if (folder !== undefined) return registryGc({ ...common, root: folder, deleteUntagged })
    return imgGc({
      ...common,
      root: args.store ?? defaultStorePath(env),
      keepBytes: bytesOf(args['keep-bytes']),
      waitMs: args.wait * 1000,
      removeAsOwner: removerFor(env),
    })
  },
})

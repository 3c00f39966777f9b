/**
 * cluster-image: the cluster images of sealer and sealos in the store.
 *
 * @module
 */

import fs from 'node:fs'
import type { CommandHelp } from '@pipelayer/cli'
import { CLUSTERFILE, checkRootfs, sealosFaults } from '@pipelayer/cluster'
import { ToolError } from '@pipelayer/errors'
import { REF_NAME } from '@pipelayer/layout'
import { bare, isObject } from '@pipelayer/oci'
import type { AnyRecord, ClusterImageRecord, FindingRecord, LayerRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { diffClusters } from './diff.js'
import { byID, clusters, type FoundCluster, findCluster, fullName, recordOf } from './found.js'
import { mergeClusters } from './merge.js'
import type { ClusterImageOptions } from './options.js'
import { putCluster } from './put.js'
import { loadArchive, saveArchive } from './save.js'

export type { ClusterImageOptions } from './options.js'

type Records = AsyncGenerator<AnyRecord, void, void>

interface Command {
  /** The text after the name of the command. */
  readonly synopsis: string
  readonly describe: string
  readonly min: number
  readonly max: number
  run(names: readonly string[], options: ClusterImageOptions): Records
}

/**
 * Runs one command: the first word, with the names after it.
 *
 * @throws ToolError `USAGE`; `IMAGE_MISSING`, `ID_AMBIGUOUS`, `CLUSTER_IMAGE_INVALID`; those of save, load and merge
 */
export async function* clusterImage(words: readonly string[], options: ClusterImageOptions): Records {
  const [name = '', ...names] = words
  const command = COMMANDS.get(name)
  if (command === undefined)
    throw usage(`there is no command ${JSON.stringify(name)}: expected ${[...COMMANDS.keys()].join(', ')}`)
  if (names.length < command.min || names.length > command.max)
    throw usage(`expected ${name} ${command.synopsis}`)
  yield* command.run(names, options)
}

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}

const MANY = Number.POSITIVE_INFINITY

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  [
    'inspect',
    {
      synopsis: 'NAME...',
      describe: 'show the document, with -c the Clusterfile alone',
      min: 1,
      max: MANY,
      run: inspect,
    },
  ],
  ['history', { synopsis: 'NAME', describe: 'the steps, each with its layer', min: 1, max: 1, run: history }],
  ['ls', { synopsis: '', describe: 'the cluster images of the store', min: 0, max: 0, run: list }],
  ['save', { synopsis: 'NAME -o FILE', describe: "write sealer's archive", min: 1, max: 1, run: save }],
  ['load', { synopsis: 'FILE', describe: 'read such an archive; - is stdin', min: 1, max: 1, run: load }],
  [
    'merge',
    { synopsis: '-t NAME NAME...', describe: 'make one image of several', min: 1, max: MANY, run: merge },
  ],
  ['tag', { synopsis: 'NAME NEW', describe: 'give a second name', min: 2, max: 2, run: tag }],
  [
    'rm',
    {
      synopsis: 'NAME...',
      describe: 'take a name away, or an image by its id',
      min: 1,
      max: MANY,
      run: remove,
    },
  ],
  [
    'check',
    {
      synopsis: 'DIR|NAME',
      describe: 'look at a root filesystem, or at what an image says of itself',
      min: 1,
      max: 1,
      run: check,
    },
  ],
  ['diff', { synopsis: 'NAME NAME', describe: 'what differs between two images', min: 2, max: 2, run: diff }],
])

/** The commands for `--help`. */
export const COMMAND_HELP: readonly CommandHelp[] = [...COMMANDS].map(([name, { synopsis, describe }]) => ({
  synopsis: `${name} ${synopsis}`.trimEnd(),
  describe,
}))

async function* inspect(names: readonly string[], options: ClusterImageOptions): Records {
  const store = Store.open(options.store)
  for (const name of names) {
    const found = findCluster(store, name)
    const { document } = found
    if (options.clusterfile && document.metadata.annotations?.[CLUSTERFILE] === undefined)
      throw new ToolError('CLUSTERFILE_MISSING', `${name} has no Clusterfile`)
    yield { ...recordOf(found), document } satisfies ClusterImageRecord
  }
}

async function* history([name = '']: readonly string[], options: ClusterImageOptions): Records {
  const { config, document, id, manifest } = findCluster(Store.open(options.store), name)
  const times = Array.isArray(config.history) ? config.history : []
  const blobs = [...manifest.layers]
  for (const [index, { id: diffID, type = '', value = '' }] of (document.spec.layers ?? []).entries()) {
    const blob = diffID === undefined ? undefined : blobs.shift()
    const entry: unknown = times[index]
    const created = isObject(entry) && typeof entry.created === 'string' ? entry.created : undefined
    yield {
      type: 'layer',
      image: id.slice(0, 12),
      ...(blob === undefined ? { empty: true } : { ...bare(blob), diffID }),
      createdBy: `${type} ${value}`.trim(),
      ...(created !== undefined && { created }),
    } as LayerRecord
  }
}

async function* list(_: readonly string[], options: ClusterImageOptions): Records {
  for (const found of clusters(Store.open(options.store))) yield recordOf(found)
}

async function* save([name = '']: readonly string[], options: ClusterImageOptions): Records {
  if (options.output === undefined) throw usage('save needs -o FILE')
  const store = Store.open(options.store)
  const found = findCluster(store, name)
  await saveArchive(store, found, options.output)
  yield { ...recordOf(found), action: 'saved', path: options.output }
}

async function* load([file = '']: readonly string[], options: ClusterImageOptions): Records {
  const store = Store.open(options.store)
  const { document, layers } = await loadArchive(store, file, options)
  const name = options.tag ?? document.metadata.name
  yield { ...recordOf(putCluster(store, { document, layers, name }, options)), action: 'loaded' }
}

async function* merge(names: readonly string[], options: ClusterImageOptions): Records {
  if (options.tag === undefined) throw usage('merge needs -t NAME')
  const store = Store.open(options.store)
  const images = names.map(name => findCluster(store, name))
  const merged = mergeClusters(store, { images, name: options.tag }, options)
  yield { ...recordOf(merged), action: 'merged' }
}

async function* tag([name = '', added = '']: readonly string[], options: ClusterImageOptions): Records {
  const store = Store.open(options.store)
  const found = findCluster(store, name)
  const { mediaType, digest, size } = found.entry
  const reference = fullName(added)
  store.tag({ mediaType, digest, size }, reference)
  yield { ...recordOf(found), reference, action: 'tagged' }
}

async function* remove(names: readonly string[], options: ClusterImageOptions): Records {
  const store = Store.open(options.store)
  for (const name of names) {
    const entries = toRemove(store, name, options)
    const digests = new Set(entries.map(({ entry }) => `${entry.digest} ${entry.annotations?.[REF_NAME]}`))
    store.updateIndex(index => ({
      ...index,
      manifests: index.manifests.filter(one => !digests.has(`${one.digest} ${one.annotations?.[REF_NAME]}`)),
    }))
    for (const found of entries) yield { ...recordOf(found), action: 'removed' }
  }
}

type Forced = Pick<ClusterImageOptions, 'force'>

/**
 * The index entries that rm removes: a name removes only that name; an id removes its image, and needs force if the
 * image has several names.
 */
function toRemove(store: Store, name: string, options: Forced): readonly FoundCluster[] {
  const found = findOrNothing(store, name, options)
  if (found === undefined) return []
  const isNamed = found.reference !== undefined && !found.id.startsWith(name)
  const all = options.force || !isNamed ? byID(store, found.id) : [found]
  if (!isNamed && all.length > 1 && !options.force)
    throw new ToolError('ID_AMBIGUOUS', `image ${name} has ${all.length} names: remove them, or use --force`)
  return all
}

function findOrNothing(store: Store, name: string, { force }: Forced): FoundCluster | undefined {
  try {
    return findCluster(store, name)
  } catch (error) {
    if (force && error instanceof ToolError && error.code === 'IMAGE_MISSING') return undefined
    throw error
  }
}

// A folder is named with a slash, or is there; any other text is the name of an image.
async function* check([place = '']: readonly string[], options: ClusterImageOptions): Records {
  if (isFolder(place) || /^\.{0,2}\//.test(place)) {
    for (const { rule, severity, file, message } of checkRootfs(place)) {
      yield { type: 'finding', rule: `rootfs-${rule}`, severity, message, file } satisfies FindingRecord
    }
    return
  }
  const { kind, config } = findCluster(Store.open(options.store), place)
  for (const fault of kind === 'sealos' ? sealosFaults(config) : []) {
    const message = `${place}: ${fault}`
    yield { type: 'finding', rule: 'image-invalid', severity: 'error', message } satisfies FindingRecord
  }
}

function isFolder(place: string): boolean {
  return fs.statSync(place, { throwIfNoEntry: false })?.isDirectory() === true
}

async function* diff(
  [before = '', after = '']: readonly string[],
  { store: dir, signal }: ClusterImageOptions,
): Records {
  const store = Store.open(dir)
  yield* diffClusters(store, [findCluster(store, before), findCluster(store, after)], signal)
}

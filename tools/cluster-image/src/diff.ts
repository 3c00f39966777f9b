/**
 * What differs between two cluster images: name, type, what a cluster runs, labels, files, and the images inside.
 *
 * @module
 */

import { setImmediate } from 'node:timers/promises'
import { diffImages, ImageTree, listLayer } from '@pipelayer/change-set'
import { mountOf, typeOf } from '@pipelayer/cluster'
import { ToolError } from '@pipelayer/errors'
import { layerBlob } from '@pipelayer/layer-blob'
import { isObject } from '@pipelayer/oci'
import { type ChangeRecord, type DifferenceRecord, nameOf, showName } from '@pipelayer/records'
import type { Store } from '@pipelayer/store'
import type { FoundCluster } from './found.js'
import { imagesInside } from './images-inside.js'

type Pair = readonly [before: FoundCluster, after: FoundCluster]

/** The folder of distribution's registry in a root filesystem; images of it are told, and not its files. */
const REGISTRY = 'registry/docker'
const PAUSE_EVERY = 1024

/**
 * Yields a `difference` for each thing in which `after` differs from `before`. Of the folder of the registry inside,
 * images are told, and not their blobs. Memory: about half a kilobyte for each file of both images.
 *
 * @throws ToolError `BLOB_MISSING`, and those of broken layers
 */
export async function* diffClusters(
  store: Store,
  [before, after]: Pair,
  signal?: AbortSignal,
): AsyncGenerator<DifferenceRecord, void, void> {
  yield* headDifferences([before, after])
  const trees = [await treeOf(store, before, signal), await treeOf(store, after, signal)] as const
  yield* mapDifferences('image', [imagesInside(trees[0]), imagesInside(trees[1])])
  let count = 0
  for (const change of diffImages(...trees)) {
    const difference = fileDifference(change)
    if (difference !== undefined) yield difference
    if (++count % PAUSE_EVERY !== 0) continue
    await setImmediate()
    signal?.throwIfAborted()
  }
}

function* headDifferences([before, after]: Pair): Generator<DifferenceRecord, void, void> {
  const facts = [factsOf(before), factsOf(after)] as const
  for (const what of [
    'name',
    'platform',
    'dialect',
    'type',
    'user',
    'workdir',
    'entrypoint',
    'cmd',
  ] as const) {
    const [old, now] = [facts[0].texts[what], facts[1].texts[what]]
    if (old !== now) yield differenceOf({ what, name: what }, old, now)
  }
  for (const what of ['label', 'env'] as const)
    yield* mapDifferences(what, [facts[0].maps[what], facts[1].maps[what]])
}

function* mapDifferences(
  what: DifferenceRecord['what'],
  [before, after]: readonly [ReadonlyMap<string, string>, ReadonlyMap<string, string>],
): Generator<DifferenceRecord, void, void> {
  for (const name of [...new Set([...before.keys(), ...after.keys()])].sort())
    if (before.get(name) !== after.get(name))
      yield differenceOf({ what, name }, before.get(name), after.get(name))
}

function differenceOf(
  fields: Pick<DifferenceRecord, 'what' | 'name'>,
  before: string | undefined,
  after: string | undefined,
): DifferenceRecord {
  const both = { ...(before !== undefined && { before }), ...(after !== undefined && { after }) }
  return { type: 'difference', ...fields, ...both }
}

type Texts = Readonly<
  Record<
    'name' | 'platform' | 'dialect' | 'type' | 'user' | 'workdir' | 'entrypoint' | 'cmd',
    string | undefined
  >
>

interface Facts {
  readonly texts: Texts
  readonly maps: Readonly<Record<'label' | 'env', ReadonlyMap<string, string>>>
}

function factsOf({ config, manifest, kind, reference }: FoundCluster): Facts {
  const { env, entrypoint, cmd, labels } = mountOf(config)
  const { User, WorkingDir } = isObject(config.config) ? config.config : {}
  const platform = [config.os, config.architecture, config.variant].filter(part => typeof part === 'string')
  return {
    texts: {
      name: reference,
      platform: platform.join('/'),
      dialect: kind,
      type: typeOf(kind, { config, annotations: manifest.annotations }),
      user: textOf(User),
      workdir: textOf(WorkingDir),
      entrypoint: listText(entrypoint),
      cmd: listText(cmd),
    },
    maps: {
      label: new Map(Object.entries(labels)),
      env: new Map(env.map(entry => [entry.split('=', 1)[0] ?? '', entry.slice(entry.indexOf('=') + 1)])),
    },
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function listText(list: readonly string[]): string | undefined {
  return list.length === 0 ? undefined : JSON.stringify(list)
}

async function treeOf(
  store: Store,
  found: FoundCluster,
  signal: AbortSignal | undefined,
): Promise<ImageTree> {
  const tree = new ImageTree()
  for (const { mediaType, digest, size } of found.manifest.layers) {
    const record = { type: 'layer', image: '1', mediaType, digest, size } as const
    const blob = layerBlob(record, one => store.openBlob(one))
    tree.nextLayer()
    try {
      for await (const one of listLayer(blob.tar(), {
        blob: { digest: blob.digest },
        sums: true,
        ...(signal && { signal }),
      }))
        tree.apply(one)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      const { code, status, message } = error
      throw new ToolError(code, `cannot read layer ${digest}: ${message}`, { cause: error, status })
    }
  }
  return tree
}

function fileDifference({ op, parent, entry, ...change }: ChangeRecord): DifferenceRecord | undefined {
  const path = nameOf(change, 'path') ?? ''
  const isInside = path === REGISTRY || path.startsWith(`${REGISTRY}/`) || REGISTRY.startsWith(`${path}/`)
  if (isInside || parent === true || op === 'opaque') return undefined
  const fields = { what: 'file', name: showName(path) } as const
  if (op === 'delete') return differenceOf(fields, 'present', undefined)
  return differenceOf(fields, op === 'modify' ? 'other' : undefined, entry?.type ?? 'present')
}

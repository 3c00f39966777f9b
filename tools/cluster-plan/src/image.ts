/**
 * Reads a cluster image as far as a plan needs it: its layers, the names of its files, and the texts of some.
 *
 * @module
 */

import { commandsOf } from '@pipelayer/cluster'
import type { PlannedImage } from '@pipelayer/cluster-operations'
import { type Plugin, parsePlugins, parseVariables } from '@pipelayer/clusterfile'
import { ToolError } from '@pipelayer/errors'
import { openTar } from '@pipelayer/layer-blob'
import { isObject, type JsonObject, parseLayerType } from '@pipelayer/oci'
import { openPlace, type RemoteOptions } from '@pipelayer/places'
import { imagePlace, type ReadImage, readImage } from '@pipelayer/pulling'
import type { PlacedLayer } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { readTar } from '@pipelayer/tar'

/** The files whose texts a plan reads. */
const TEXTS =
  /^(Metadata|etc\/[^/]+|statics\/audit-policy\.yml|plugins\/[^/]+\.ya?ml|(etc|charts|manifests)\/.*\.tmpl)$/
const MAX_TEXT = 1024 * 1024
const MAX_TEXTS = 64 * 1024 * 1024
/** What one image may unpack to, so that a small hostile layer cannot hold a plan up for ever. */
const LIMITS = { maxBytes: 2 ** 40, maxRatio: 200, ratioFromBytes: 2 ** 30 }

export interface ImageOptions extends RemoteOptions {
  /** The folder of the store. */
  readonly store: string
  /** A name, a digest or an id of the store. */
  readonly image: string
  /** The architectures of the hosts, the one first from which texts are read. */
  readonly architectures: readonly string[]
}

/**
 * @throws ToolError those of finding and reading an image; `LAYER_UNSUPPORTED` for layers that hosts cannot unpack;
 *   `CLUSTER_IMAGE_INVALID` for texts beyond 64 MiB
 */
export async function readClusterImage(options: ImageOptions): Promise<PlannedImage> {
  const { image: name, architectures } = options
  const place = openPlace(imagePlace(name, options.store).text, options)
  try {
    const { descriptor } = await place.read.resolve()
    const layers = new Map<string, readonly PlacedLayer[]>()
    let first: { readonly tree: Tree; readonly read: ReadImage } | undefined
    for (const architecture of architectures) {
      const read = await readImage(place, { platform: { os: 'linux', architecture } }).catch(error => {
        // The precheck says which hosts the image is not made for.
        if (error instanceof ToolError && error.code === 'PLATFORM_NOT_FOUND') return undefined
        throw error
      })
      if (read === undefined || String(read.config.architecture) !== architecture) continue
      const tree = await readTree(read, Store.open(options.store))
      layers.set(architecture, tree.layers)
      first ??= { tree, read }
    }
    if (first === undefined)
      throw new ToolError('PLATFORM_NOT_FOUND', `${name} is not made for ${architectures.join(' or ')}`)
    const { tree, read } = first
    const config = read.config as unknown as JsonObject
    return {
      name,
      digest: descriptor.digest,
      layers,
      files: tree.files,
      paths: tree.paths,
      commands: commandsOf({ config }),
      variables: parseVariables(environmentOf(config).filter(text => !text.startsWith('PATH='))),
    }
  } finally {
    await place.close()
  }
}

function environmentOf(config: JsonObject): readonly string[] {
  const { Env } = isObject(config.config) ? config.config : {}
  return Array.isArray(Env) ? Env.map(String) : []
}

/** The plugins that an image brings along, in the order of their files. */
export function pluginsOf({ files }: PlannedImage): readonly Plugin[] {
  const names = [...files.keys()].filter(path => path.startsWith('plugins/')).sort()
  return names.flatMap(path => parsePlugins(files.get(path) ?? '', path))
}

interface Tree {
  readonly layers: readonly PlacedLayer[]
  readonly files: Map<string, string>
  readonly paths: Set<string>
}

async function readTree({ layers, descriptor: { digest: image } }: ReadImage, store: Store): Promise<Tree> {
  const tree: Tree = { layers: [], files: new Map(), paths: new Set() }
  const placed: PlacedLayer[] = []
  let bytes = 0
  for (const { descriptor, diffID } of layers) {
    const { mediaType, digest, size } = descriptor
    if (parseLayerType(mediaType)?.compression === 'zstd')
      throw new ToolError(
        'LAYER_UNSUPPORTED',
        `the layer ${digest} of ${image} is packed by zstd, which hosts need not have: pack it by gzip`,
      )
    const removes: string[] = []
    const added: { readonly path: string; readonly text?: string }[] = []
    for await (const { path, text } of entriesOf({ file: store.blobPath(digest), digest, size, diffID })) {
      const cut = path.lastIndexOf('/') + 1
      const [folder, base] = [path.slice(0, cut), path.slice(cut)]
      if (base === '.wh..wh..opq') removes.push(folder.slice(0, -1))
      else if (base.startsWith('.wh.')) removes.push(folder + base.slice('.wh.'.length))
      else added.push({ path, ...(text !== undefined && { text }) })
      bytes += text?.length ?? 0
      if (bytes > MAX_TEXTS)
        throw new ToolError(
          'CLUSTER_IMAGE_INVALID',
          `the settings of ${image} have more than ${MAX_TEXTS} bytes`,
        )
    }
    for (const path of removes.filter(one => one !== '')) remove(tree, path)
    for (const { path, text } of added) {
      tree.paths.add(path)
      if (text !== undefined) tree.files.set(path, text)
    }
    placed.push({
      mediaType,
      digest,
      size,
      ...(removes.length > 0 && { removes: removes.filter(one => one !== '') }),
    })
  }
  return { ...tree, layers: placed }
}

function remove({ files, paths }: Tree, path: string): void {
  for (const known of [...paths]) if (known === path || known.startsWith(`${path}/`)) paths.delete(known)
  for (const known of [...files.keys()])
    if (known === path || known.startsWith(`${path}/`)) files.delete(known)
}

/** The entries of a layer by path, with the texts of those that a plan reads. The blob and its tar are checked. */
async function* entriesOf(blob: {
  readonly file: string
  readonly digest: string
  readonly size: number
  readonly diffID: string
}): AsyncGenerator<{ readonly path: string; readonly text?: string }, void, undefined> {
  const { file, digest, size, diffID } = blob
  const { tar, finish } = openTar({ file, expected: { digest, size }, diffID, limits: LIMITS })
  let open: { readonly path: string; readonly chunks: Buffer[] } | undefined
  for await (const event of readTar(tar)) {
    if (event.type === 'entry') {
      const path = event.entry.name.replace(/^(\.?\/)+/, '').replace(/\/+$/, '')
      const isText = event.entry.type === 'file' && event.entry.size <= MAX_TEXT && TEXTS.test(path)
      if (isText) open = { path, chunks: [] }
      else if (path !== '' && path !== '.') yield { path }
    } else if (event.type === 'data') open?.chunks.push(Buffer.from(event.bytes))
    else if (event.type === 'end' && open !== undefined) {
      yield { path: open.path, text: Buffer.concat(open.chunks).toString('utf8') }
      open = undefined
    }
  }
  finish()
}

/**
 * Judges layouts: the image that `oci:` finds in a folder, missing and damaged blobs, and digests of layers.
 *
 * @module
 */
import { cpSync, createReadStream, existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decompress } from '@pipelayer/compress'
import { Hasher, verified } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { Layout } from '@pipelayer/layout'
import { type Descriptor, type Manifest, parseConfig } from '@pipelayer/oci'
import { openPlace, type PlaceReader, parseDockerArchive } from '@pipelayer/places'
import { attemptRow, same, type Verdict } from './dockerfile.js'
import { inThrowAway } from './layer-tree.js'

// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
type Json = any
type Row = { id: string; in: Json; want: Json; dir?: string }
type Context = { dir: string }
type Adapter = (row: Row, context: Context) => Promise<Verdict>

/** The layout of a row. Some fixtures lack the file that makes a folder a layout; it is added. */
async function withLayout<T>(
  { dir: folder = '', in: { dir: name = '', file } }: Row,
  { dir }: Context,
  work: (layout: string) => Promise<T>,
): Promise<T> {
  return await inThrowAway(async place => {
    const layout = join(place, 'layout')
    const from = join(dir, folder, name)
    cpSync(
      file === undefined ? from : join(from, file),
      file === undefined ? layout : join(layout, 'index.json'),
      {
        recursive: true,
      },
    )
    if (!existsSync(join(layout, 'oci-layout')))
      writeFileSync(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
    return await work(layout)
  })
}

function reader(layout: string, name: string): PlaceReader {
  const place = `oci:${layout}${name === '' ? '' : `:${name}`}`
  return openPlace(place, { store: join(layout, 'no-store') }).read
}

/** The answer of a place for a manifest: the descriptor, or the error. */
async function resolve(
  place: PlaceReader,
  digest?: string,
): Promise<{ found: Manifest | Json } | { code: string; message: string }> {
  try {
    return { found: (await place.resolve(digest)).document }
  } catch (error) {
    if (error instanceof ToolError) return { code: error.code, message: error.message }
    throw error
  }
}

/** The fixtures have no blobs, so the error about a missing blob shows which entry was chosen. */
const lookup: Adapter = (row, context) =>
  withLayout(row, context, async layout => {
    const got = await resolve(reader(layout, row.in.image))
    const chosen =
      'code' in got && got.code === 'BLOB_UNKNOWN' ? /sha256:[0-9a-f]{64}/.exec(got.message)?.[0] : undefined
    if (row.want.descriptor === null) return chosen === undefined ? 'pass' : { fail: `found ${chosen}` }
    const { Digest: digest, Size: size, MediaType: mediaType } = row.want.descriptor
    const { manifests } = Layout.open(layout).index()
    const index = manifests.findIndex(entry => entry.digest === chosen)
    const entry = manifests[index]
    return same(
      [chosen, entry?.size, entry?.mediaType, index],
      [digest, size, mediaType, row.want.index ?? index],
    )
  })

const walk: Adapter = (row, context) =>
  withLayout(row, context, async layout => {
    const { manifests } = Layout.open(layout).index()
    const images: Json[] = []
    for (const [index, entry] of manifests.entries()) {
      const place = reader(layout, `@${index}`)
      images.push(await describe(entry as Descriptor, place, Layout.open(layout)))
    }
    return same(
      images,
      row.want.images.map((image: Json) => comparable(image)),
    )
  })

async function describe(entry: Descriptor, place: PlaceReader, layout: Layout, isRoot = true): Promise<Json> {
  const { mediaType, digest, size, platform, annotations } = entry
  const common = { mediaType, digest, size, platform, annotations }
  const got = await resolve(place, isRoot ? undefined : digest)
  if ('code' in got) {
    // An entry that is no image is refused before its blob is looked for.
    if (got.code === 'BLOB_UNKNOWN' || !layout.hasBlob(digest)) return { ...common, missing: true }
    if (got.code === 'DIGEST_MISMATCH') return { ...common, digest_ok: false }
    return { ...common, digest_ok: true, size_ok: got.code !== 'SIZE_MISMATCH', refused: got.code }
  }
  const whole = { ...common, digest_ok: true, size_ok: true }
  const { found } = got
  if (found.kind === 'index') {
    const manifests: Json[] = []
    for (const child of found.manifests) manifests.push(await describe(child, place, layout, false))
    return { ...whole, manifests }
  }
  return { ...whole, ...parts(found, layout) }
}

function parts({ config, layers }: Manifest, layout: Layout): Json {
  const state = ({ digest, mediaType }: Descriptor): Json => ({
    digest,
    mediaType,
    present: layout.hasBlob(digest),
  })
  return {
    config: state(config),
    layers: layers.map(layer => ({ ...state(layer), size: layer.size })),
    diffids: diffIDs(config, layout),
  }
}

function diffIDs(config: Descriptor, layout: Layout): Json {
  try {
    return parseConfig(layout.readBlob(config.digest)).rootfs.diff_ids
  } catch (error) {
    if (error instanceof ToolError) return null
    throw error
  }
}

/** A damaged blob is refused, so further fields are not compared. */
function comparable({
  missing,
  digest_ok,
  size_ok,
  manifests,
  config,
  layers,
  diffids,
  ...entry
}: Json): Json {
  const { mediaType, digest, size, platform, annotations } = entry
  const common = { mediaType, digest, size, platform, annotations }
  if (missing) return { ...common, missing }
  if (digest_ok === false) return { ...common, digest_ok }
  const whole = { ...common, digest_ok, size_ok }
  if (size_ok === false) return { ...whole, refused: 'SIZE_MISMATCH' }
  if (manifests !== undefined) return { ...whole, manifests: manifests.map(comparable) }
  return { ...whole, config, layers, diffids }
}

const blob: Adapter = async ({ in: { file }, want, dir: folder = '' }, { dir }) => {
  const stored = new Hasher()
  const content = new Hasher()
  const source = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of createReadStream(join(dir, folder, file))) {
      stored.update(chunk)
      yield chunk
    }
  }
  for await (const chunk of decompress(source())) content.update(chunk)
  return same([stored.digest(), stored.bytes, content.digest()], [want.digest, want.size, want.diffid])
}

const archiveName = async ({ in: { input }, want }: Row): Promise<Verdict> => {
  const got = attemptRow(() => parseDockerArchive(input))
  const { file = '', reference = '', index = -1 } = 'value' in got ? got.value : {}
  return same(
    [file, reference, index],
    [want.expectedPath ?? '', want.expectedRef ?? '', want.expectedSourceIndex ?? -1],
  )
}

const archive: Adapter = async ({ in: { file }, want, dir: folder = '' }, { dir }) => {
  const text = `docker-archive:${join(dir, folder, file)}`
  const images: Json[] = []
  const wanted: readonly Json[] = want.images ?? []
  for (const index of wanted.length === 0 ? [0] : wanted.keys()) {
    const place = openPlace(`${text}:@${index}`, { store: 'no-store' })
    try {
      const got = await resolve(place.read)
      if ('code' in got) return want.error === undefined ? { fail: got.message } : 'pass'
      images.push(await saved(got.found, place.read))
      for (const tag of wanted[index]?.repoTags ?? []) {
        const named = openPlace(`${text}:${tag}`, { store: 'no-store' })
        const other = await resolve(named.read)
        await named.close()
        const verdict = same(other, got)
        if (verdict !== 'pass') return verdict
      }
    } catch (error) {
      // A blob that does not fit its descriptor is found when it is read.
      if (error instanceof ToolError && want.error !== undefined) return 'pass'
      throw error
    } finally {
      await place.close()
    }
  }
  if (want.error !== undefined) return { fail: 'it was read' }
  return same(
    images,
    wanted.map(({ repoTags: _, ...image }) => image),
  )
}

/** Reads every blob, as a pull does, and so checks the descriptors. */
async function saved({ config, layers }: Manifest, place: PlaceReader): Promise<Json> {
  const list: Json[] = []
  for (const layer of layers) {
    const content = new Hasher()
    for await (const chunk of decompress(verified(place.blob(layer), layer))) content.update(chunk)
    list.push({ digest: layer.digest, diffid: content.digest(), size: layer.size })
  }
  const bytes: Buffer[] = []
  for await (const chunk of verified(place.blob(config), config)) bytes.push(chunk)
  const diffIDs = parseConfig(Buffer.concat(bytes)).rootfs.diff_ids
  return { config: config.digest, layers: list, config_diff_ids: diffIDs }
}

export const adapters: Record<string, Adapter> = {
  'containers-image/layout-lookup': lookup,
  'layouts/oci': walk,
  'layouts/docker-archive': archive,
  'containers-image/docker-archive-ref': archiveName,
  'layouts/layer-blobs': blob,
}

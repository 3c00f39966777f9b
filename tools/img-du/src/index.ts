/**
 * img-du: tells what takes the space of the local store.
 *
 * @module
 */
import {
  type BlobFile,
  blobFiles,
  type Counted,
  DocumentReader,
  diskBytes,
  reach,
} from '@pipelayer/collection'
import { type Layout, REF_NAME, type StoredDescriptor } from '@pipelayer/layout'
import type { UsageRecord } from '@pipelayer/records'
import { type Area, Store } from '@pipelayer/store'
import { entriesIn } from './entries.js'

/** What a kind of content is called, where it lies, and whether a folder for each form of trees is in between. */
const KINDS: readonly { readonly kind: string; readonly area: Area; readonly hasForms?: true }[] = [
  { kind: 'steps', area: 'steps', hasForms: true },
  { kind: 'layers', area: 'layers', hasForms: true },
  { kind: 'caches', area: 'caches', hasForms: true },
  { kind: 'packed', area: 'packed' },
  { kind: 'git', area: 'git' },
  { kind: 'http', area: 'http' },
  { kind: 'contexts', area: 'contexts' },
  { kind: 'mounts', area: 'mounts' },
  { kind: 'summaries', area: 'summaries' },
  { kind: 'partial', area: 'partial' },
  { kind: 'pushes', area: 'pushes' },
  { kind: 'damaged', area: 'damaged' },
  { kind: 'tmp', area: 'tmp' },
]

/**
 * Yields a `usage` record for each kind of content that there is, one of the kind `total`, and one of the kind `image`
 * for each entry of index.json. All sizes are bytes of disk, as `du` counts them: allocated blocks, hard links once. A
 * store that does not exist has nothing. Memory: some 500 bytes for each blob.
 *
 * @param root - the store's folder
 * @throws ToolError `LAYOUT_INVALID`: index.json cannot be read; the system's errors
 */
export async function* imgDu(root: string): AsyncGenerator<UsageRecord, void, undefined> {
  const store = Store.openIfThere(root)
  if (store === undefined) return
  const images = imagesOf(store)
  const reached = new Set(images.flatMap(({ digests }) => digests))
  const counted: Counted = new Set()
  const blobs = blobFiles(store.root)
  const measured = [
    blobUsage('blobs', blobs, ({ digest }) => reached.has(digest)),
    blobUsage('unreferenced', blobs, ({ digest }) => !reached.has(digest)),
    ...KINDS.map(({ kind, area, hasForms }) => {
      const folder = store.folder(area)
      return {
        kind,
        count: entriesIn(folder, hasForms === true ? 2 : 1).length,
        size: diskBytes(folder, counted),
      }
    }),
  ]
  // What is left is the index, the folders of the blobs, and blobs that are not complete yet.
  const whole = diskBytes(store.root)
  const other = whole - measured.reduce((sum, { size }) => sum + size, 0)
  for (const { kind, count, size } of measured) if (count > 0) yield { type: 'usage', kind, count, size }
  const rest = measured.filter(({ count }) => count === 0).reduce((sum, { size }) => sum + size, other)
  if (rest > 0) yield { type: 'usage', kind: 'other', count: 1, size: rest }
  const count = measured.reduce((sum, each) => sum + each.count, 1)
  yield { type: 'usage', kind: 'total', count, size: whole }
  yield* imageUsage(images, new Map(blobs.map(({ digest, diskBytes: bytes }) => [digest, bytes])))
}

interface Image {
  readonly entry: StoredDescriptor
  /** Everything that the image needs. */
  readonly digests: readonly string[]
}

function imagesOf(store: Layout): Image[] {
  const reader = new DocumentReader(store)
  return store.index().manifests.map(entry => ({
    entry,
    digests: [...reach([entry], link => reader.links(link)).links.keys()],
  }))
}

function blobUsage(
  kind: string,
  blobs: readonly BlobFile[],
  isMeant: (blob: BlobFile) => boolean,
): { readonly kind: string; readonly count: number; readonly size: number } {
  const meant = blobs.filter(isMeant)
  return { kind, count: meant.length, size: meant.reduce((sum, { diskBytes: bytes }) => sum + bytes, 0) }
}

/** Two names of one manifest are one image: its blobs are not shared because of that. */
function* imageUsage(
  images: readonly Image[],
  sizes: ReadonlyMap<string, number>,
): Generator<UsageRecord, void, undefined> {
  const owners = new Map<string, string | 'several'>()
  for (const { entry, digests } of images) {
    for (const digest of digests) {
      const owner = owners.get(digest) ?? entry.digest
      owners.set(digest, owner === entry.digest ? owner : 'several')
    }
  }
  const bytesOf = (digests: readonly string[]): number =>
    digests.reduce((sum, digest) => sum + (sizes.get(digest) ?? 0), 0)
  for (const { entry, digests } of images) {
    const here = digests.filter(digest => sizes.has(digest))
    const own = bytesOf(here.filter(digest => owners.get(digest) !== 'several'))
    const size = bytesOf(here)
    const reference = entry.annotations?.[REF_NAME]
    yield {
      type: 'usage',
      kind: 'image',
      count: here.length,
      size,
      ...(reference === undefined ? {} : { reference }),
      digest: entry.digest,
      own,
      shared: size - own,
    }
  }
}

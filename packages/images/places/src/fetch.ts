import { ToolError } from '@pipelayer/errors'
import type { BlobWriter } from '@pipelayer/layout'
import { type Descriptor, isDocument } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'
import type { PlaceReader } from './place.js'

/** Blobs that are smaller are fetched anew after a break: a partial file would not pay. */
const MIN_KEPT_BYTES = 256 * 1024
const DAMAGED = new Set(['DIGEST_MISMATCH', 'SIZE_MISMATCH'])

export interface FetchOptions {
  readonly store: Store
  readonly reader: PlaceReader
  /** Read a blob that is there already, and fetch it anew if it is damaged. */
  readonly verify?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  readonly warn?: ((message: string, code?: string) => void) | undefined
}

/**
 * Brings a blob into the store, checked. A transfer that breaks, even by the death of the process, leaves the bytes
 * that came, and the next transfer goes on behind them. If several processes want the same blob, one fetches it and the
 * others wait.
 *
 * For a layer that is there already, only the size is compared, because the digest is compared when the layer is used;
 * with `verify` it is read here. Documents are always read. A damaged blob is set aside with a warning, and fetched
 * anew.
 *
 * @returns where the blob lies
 * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH`; whatever the place throws; the signal's reason
 */
export async function fetchBlob(descriptor: Descriptor, options: FetchOptions): Promise<string> {
  const { store, reader } = options
  const path = store.blobPath(descriptor.digest)
  if (await isThere(descriptor, options)) store.touch(path)
  else if (reader.blobFrom === undefined || descriptor.size < MIN_KEPT_BYTES) {
    await store.putBlob(whileWanted(reader.blob(descriptor), options), descriptor)
  } else await fillBlob(descriptor, options, () => store.resumeBlob(descriptor, options.signal))
  return path
}

async function isThere(descriptor: Descriptor, { store, verify, warn }: FetchOptions): Promise<boolean> {
  const { digest, size } = descriptor
  if (!store.hasBlob(digest, size)) return false
  if (!verify && !isDocument(descriptor)) return true
  if (await store.proveBlob({ digest, size })) return true
  warn?.(`blob ${digest} in the store was damaged: it is set aside, and fetched anew`, 'BLOB_DAMAGED')
  return false
}

/**
 * Fills the writer that `open` opens with the rest of a blob; the writer may hold the first bytes already. If the
 * transfer breaks, the bytes that came are kept. If they turn out to be wrong, the blob is fetched anew.
 *
 * @throws ToolError as {@link fetchBlob}
 */
export async function fillBlob(
  descriptor: Descriptor,
  options: Omit<FetchOptions, 'store'>,
  open: () => Promise<BlobWriter | undefined>,
): Promise<void> {
  const { warn } = options
  const writer = await open()
  if (writer === undefined) return
  const kept = writer.bytes
  try {
    await fill(writer, descriptor, options)
  } catch (error) {
    const isDamaged = error instanceof ToolError && DAMAGED.has(error.code)
    if (!isDamaged) throw error
    // A blob that the source gave wrong is not asked for again. But if the file held bytes before this transfer, a
    // power cut may have damaged those: it is tried once more without them.
    writer.abort()
    if (kept === 0) throw error
    warn?.(`the ${kept} bytes kept of ${descriptor.digest} were damaged: it is fetched anew`, error.code)
    await fillBlob(descriptor, options, open)
  } finally {
    writer.suspend()
  }
}

async function fill(
  writer: BlobWriter,
  descriptor: Descriptor,
  options: Omit<FetchOptions, 'store'>,
): Promise<void> {
  const { reader } = options
  if (writer.bytes < descriptor.size || descriptor.size === 0) {
    const kept = writer.bytes
    const source = reader.blobFrom?.(descriptor, kept) ?? after(reader.blob(descriptor), kept)
    for await (const chunk of whileWanted(source, options)) writer.write(chunk)
  }
  writer.commit()
}

// A place on this machine cannot start at a position: it is read from the start, and the first bytes are dropped.
async function* after(source: AsyncIterable<Buffer>, bytes: number): AsyncGenerator<Buffer, void, undefined> {
  let skip = bytes
  for await (const chunk of source) {
    const kept = chunk.subarray(Math.min(skip, chunk.length))
    skip -= chunk.length - kept.length
    if (kept.length > 0) yield kept
  }
}

async function* whileWanted(
  source: AsyncIterable<Buffer>,
  { signal }: Pick<FetchOptions, 'signal'>,
): AsyncGenerator<Buffer, void, undefined> {
  signal?.throwIfAborted()
  for await (const chunk of source) {
    yield chunk
    signal?.throwIfAborted()
  }
}

import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import type { BlobWriter, Store } from '@pipelayer/store'
import type { PlaceReader } from './place.js'

/** Smaller blobs are not worth a partial file. */
const MIN_KEPT_BYTES = 256 * 1024
const DAMAGED = new Set(['DIGEST_MISMATCH', 'SIZE_MISMATCH'])

export interface FetchOptions {
  readonly store: Store
  readonly reader: PlaceReader
  readonly signal?: AbortSignal | undefined
  readonly warn?: ((message: string, code?: string) => void) | undefined
}

/**
 * Brings a blob into the store, checked. A transfer that breaks, even by the death of the process, leaves what came,
 * and the next one goes on after it. Of several at a time one fetches, the others wait for it.
 *
 * @returns where the blob lies
 * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH`; whatever the place throws; the signal's reason
 */
export async function fetchBlob(descriptor: Descriptor, options: FetchOptions): Promise<string> {
  const { store, reader } = options
  const path = store.blobPath(descriptor.digest)
  if (store.hasBlob(descriptor.digest, descriptor.size)) store.touch(path)
  else if (reader.blobFrom === undefined || descriptor.size < MIN_KEPT_BYTES) {
    await store.putBlob(whileWanted(reader.blob(descriptor), options), descriptor)
  } else await resume(descriptor, options)
  return path
}

async function resume(descriptor: Descriptor, options: FetchOptions): Promise<void> {
  const { store, signal, warn } = options
  const writer = await store.resumeBlob(descriptor, signal)
  if (writer === undefined) return
  const kept = writer.bytes
  try {
    await fill(writer, descriptor, options)
  } catch (error) {
    const isDamaged = error instanceof ToolError && DAMAGED.has(error.code)
    if (!isDamaged) throw error
    // Never again what is wrong. What the file held before may have been torn by a power cut: once more without it.
    writer.abort()
    if (kept === 0) throw error
    warn?.(`the ${kept} bytes kept of ${descriptor.digest} were damaged: it is fetched anew`, error.code)
    await resume(descriptor, options)
  } finally {
    writer.suspend()
  }
}

async function fill(writer: BlobWriter, descriptor: Descriptor, options: FetchOptions): Promise<void> {
  const source = options.reader.blobFrom?.(descriptor, writer.bytes) ?? []
  if (writer.bytes < descriptor.size)
    for await (const chunk of whileWanted(source, options)) writer.write(chunk)
  writer.commit()
}

async function* whileWanted(
  source: AsyncIterable<Buffer> | Iterable<Buffer>,
  { signal }: FetchOptions,
): AsyncGenerator<Buffer, void, undefined> {
  signal?.throwIfAborted()
  for await (const chunk of source) {
    yield chunk
    signal?.throwIfAborted()
  }
}

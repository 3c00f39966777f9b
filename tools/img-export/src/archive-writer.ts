import { verified } from '@pipelayer/digest'
import { archiveName } from '@pipelayer/image-streams'
import { REF_NAME } from '@pipelayer/layout'
import type { Descriptor } from '@pipelayer/oci'
import { END_BLOCKS, encodeHeader, padding } from '@pipelayer/tar'

const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json'

/** An image in the archive's index. */
interface Entry extends Descriptor {
  readonly annotations?: Readonly<Record<string, string>>
}

/** The bytes of an archive, piece by piece. The same images give the same bytes: no times, no owners. */
export class ArchiveWriter {
  readonly #open: (digest: string) => AsyncIterable<Buffer>
  readonly #written = new Set<string>()
  readonly #images: Entry[] = []

  /** @param open - opens a blob */
  constructor(open: (digest: string) => AsyncIterable<Buffer>) {
    this.#open = open
  }

  get images(): number {
    return this.#images.length
  }

  *begin(): Generator<Buffer, void, undefined> {
    yield* file('oci-layout', Buffer.from(JSON.stringify({ imageLayoutVersion: '1.0.0' })))
  }

  /**
   * Yields a blob from the byte `offset` on, unless it was written before. The bytes before `offset` are read too,
   * because the digest covers all of them.
   *
   * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH` when all of it was read: the archive is broken then
   */
  async *blob({ digest, size }: Descriptor, offset = 0): AsyncGenerator<Buffer, void, undefined> {
    if (this.#written.has(digest)) return
    this.#written.add(digest)
    yield header(archiveName(digest, offset), size - offset)
    let skip = offset
    for await (const chunk of verified(this.#open(digest), { digest, size })) {
      const kept = chunk.subarray(Math.min(skip, chunk.length))
      skip -= chunk.length - kept.length
      if (kept.length > 0) yield kept
    }
    yield padding(size - offset)
  }

  /** Adds an image to the index that is written at the end. */
  name(descriptor: Descriptor, reference: string | undefined): void {
    this.#images.push({
      ...descriptor,
      ...(reference !== undefined && { annotations: { [REF_NAME]: reference } }),
    })
  }

  *end(): Generator<Buffer, void, undefined> {
    const index = { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: this.#images }
    yield* file('index.json', Buffer.from(JSON.stringify(index)))
    yield END_BLOCKS
  }
}

function* file(name: string, bytes: Buffer): Generator<Buffer, void, undefined> {
  yield header(name, bytes.length)
  yield bytes
  yield padding(bytes.length)
}

function header(name: string, size: number): Buffer {
  const mtime = { seconds: 0, nanoseconds: 0 }
  return encodeHeader({ name, type: 'file', mode: 0o644, uid: 0, gid: 0, size, mtime })
}

import { verified } from '@pipelayer/digest'
import { REF_NAME } from '@pipelayer/layout'
import type { Descriptor } from '@pipelayer/oci'
import { type FileFramer, frameFiles } from '@pipelayer/tar'
import { archiveName } from './content.js'

const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json'

/** An image in the index of an archive. */
export interface ArchiveEntry extends Descriptor {
  readonly annotations?: Readonly<Record<string, string>>
}

/**
 * Writes an OCI layout as a tar: `oci-layout`, blobs, and at last the documents that name them, so that nothing can be
 * loaded from an archive that was cut. The same images in the same order give the same bytes: no times, no owners.
 * Somebody has to read {@link bytes} meanwhile.
 */
export class ArchiveWriter {
  readonly #framer: FileFramer
  readonly #written = new Map<string, number>()

  private constructor(framer: FileFramer) {
    this.#framer = framer
  }

  static async create(): Promise<ArchiveWriter> {
    return new ArchiveWriter(await frameFiles())
  }

  get bytes(): AsyncIterable<Buffer> {
    return this.#framer.bytes
  }

  async begin(): Promise<void> {
    await this.file('oci-layout', JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  }

  has({ digest, size }: Descriptor): boolean {
    return this.#written.get(digest) === size
  }

  /**
   * Writes a blob from the byte `offset` on, unless it was written before. `open` gives the bytes before `offset` too,
   * because the digest covers all of them.
   *
   * @throws ToolError `SIZE_MISMATCH`, `DIGEST_MISMATCH`: the archive is broken then
   */
  async blob(
    { digest, size }: Descriptor,
    open: () => AsyncIterable<Buffer>,
    offset: number = 0,
  ): Promise<void> {
    if (this.#written.has(digest)) return
    this.#written.set(digest, size)
    const content = after(verified(open(), { digest, size }), offset)
    await this.#framer.add({ name: archiveName(digest, offset), size: size - offset }, content)
  }

  async file(name: string, text: string): Promise<void> {
    const bytes = Buffer.from(text)
    await this.#framer.add({ name, size: bytes.length }, once(bytes))
  }

  /** Writes `index.json` and ends the archive. */
  async end(images: readonly ArchiveEntry[]): Promise<void> {
    const index = { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: images }
    await this.file('index.json', JSON.stringify(index))
    this.#framer.end()
  }

  fail(error: Error): void {
    this.#framer.fail(error)
  }
}

/** An image in the index of a layout, under `name` where given. */
export function entryOf(descriptor: Descriptor, name: string | undefined): ArchiveEntry {
  return { ...descriptor, ...(name !== undefined && { annotations: { [REF_NAME]: name } }) }
}

async function* after(
  source: AsyncIterable<Buffer>,
  offset: number,
): AsyncGenerator<Buffer, void, undefined> {
  let skip = offset
  for await (const chunk of source) {
    const kept = chunk.subarray(Math.min(skip, chunk.length))
    skip -= chunk.length - kept.length
    if (kept.length > 0) yield kept
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield bytes
}

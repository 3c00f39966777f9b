import {
  type ArchiveForm,
  type ArchiveOutput,
  ImageArchive,
  openFileOutput,
  streamOutput,
} from '@pipelayer/archives'
import { ToolError } from '@pipelayer/errors'
import type { Descriptor } from '@pipelayer/oci'
import { Archives } from './archives.js'
import type { OpenBlob, PlaceOptions, PlaceWriter, Published } from './place.js'
import { STANDARD } from './standard.js'

export interface ArchiveTarget {
  readonly form: ArchiveForm
  /** Opens what takes the bytes. Of all images that go to the same `text`, one opens it for all. */
  open(): Promise<ArchiveOutput>
  /** The names of the image in the archive. */
  readonly names: readonly string[]
  /** The place without names: `docker-archive:/srv/x.tar`. */
  readonly text: string
  readonly published: Published
}

/** Writes an image into an archive. Without `archives` of a run it is the only one there. */
export class ArchivePlaceWriter implements PlaceWriter {
  readonly #target: ArchiveTarget
  readonly #options: PlaceOptions
  readonly #archives: Archives

  constructor(target: ArchiveTarget, options: PlaceOptions) {
    this.#target = target
    this.#options = options
    this.#archives = options.run?.archives ?? new Archives()
  }

  hasBlob(descriptor: Descriptor): Promise<boolean> {
    return this.#archive().has(descriptor)
  }

  hasManifest(descriptor: Descriptor): Promise<boolean> {
    return this.#archive().has(descriptor)
  }

  putBlob(descriptor: Descriptor, open: OpenBlob): Promise<void> {
    return this.#archive().putBlob(descriptor, open)
  }

  putManifest(manifest: { descriptor: Descriptor; bytes: Uint8Array }): Promise<void> {
    return this.#archive().putDocument(manifest)
  }

  async publish(manifest: { descriptor: Descriptor; bytes: Uint8Array }): Promise<Published> {
    const archive = this.#archive()
    const { names, text, published } = this.#target
    await archive.putImage(manifest, names)
    if (this.#options.run?.archives === undefined) {
      await archive.finish()
      return published
    }
    const { mediaType, digest, size } = manifest.descriptor
    const index = { id: text, isLast: true, write: () => archive.finish() }
    const entry = { descriptor: { mediaType, digest, size }, name: names[0] }
    return { ...published, name: { index, entry } }
  }

  /** Gives up an archive of this image alone that is not published. */
  async close(): Promise<void> {
    if (this.#options.run?.archives === undefined) await this.#archives.close()
  }

  #archive(): ImageArchive {
    const { form, open, text } = this.#target
    return this.#archives.get(text, () => new ImageArchive({ form, text, open }))
  }
}

/** A file, or stdout for `-`. @throws ToolError `PLACE_INVALID`, `FILE_INVALID`, and those of the system */
export async function openArchiveOutput(
  file: string,
  { text, run }: { readonly text: string; readonly run: PlaceOptions['run'] | undefined },
): Promise<ArchiveOutput> {
  if (file !== STANDARD) return openFileOutput(file)
  if (run?.stdout !== undefined) return streamOutput(run.stdout)
  throw new ToolError('PLACE_INVALID', `cannot write to ${text}: no bytes go to stdout here`)
}

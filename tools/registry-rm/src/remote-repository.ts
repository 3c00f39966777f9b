import { ToolError } from '@pipelayer/errors'
import { type Descriptor, isConfigType, type Manifest, parseConfig } from '@pipelayer/oci'
import { type RemoteOptions, readDocument, sessionOptions } from '@pipelayer/places'
import { Repository } from '@pipelayer/registry'
import type { Target } from './target.js'

/** What is known of an image before it is deleted. */
export interface Described {
  readonly descriptor: Descriptor
  /** Milliseconds since 1970; of an index that of its newest image. */
  readonly created: number | undefined
}

/** A repository in which something is deleted. */
export class RemoteRepository {
  readonly #domain: string
  readonly #path: string
  readonly #repository: Repository

  constructor({ domain, path }: Target, remote: RemoteOptions) {
    this.#domain = domain
    this.#path = path
    this.#repository = new Repository(sessionOptions({ ...remote, store: '' }, { domain, path }))
  }

  name(reference: string): string {
    return `${this.#domain}/${this.#path}${reference.includes(':') ? '@' : ':'}${reference}`
  }

  /** The tag or digest of a target, or all tags of the repository, in its order. */
  async references({ reference }: Target): Promise<readonly string[]> {
    if (reference !== undefined) return [reference]
    const tags: string[] = []
    for await (const tag of this.#repository.tags()) tags.push(tag)
    return tags
  }

  /**
   * @param isDated - read the configs, too, to learn when the image was created
   * @throws ToolError `MANIFEST_UNKNOWN`; those of a refusal
   */
  async describe(reference: string, { isDated }: { readonly isDated: boolean }): Promise<Described> {
    const { descriptor, document } = await this.#repository.getManifest(reference)
    if (!isDated) return { descriptor, created: undefined }
    if (document.kind === 'manifest') return { descriptor, created: await this.#created(document) }
    const times: number[] = []
    for (const { digest } of document.manifests) {
      const child = await this.#repository.getManifest(digest)
      const time = child.document.kind === 'manifest' ? await this.#created(child.document) : undefined
      if (time !== undefined) times.push(time)
    }
    return { descriptor, created: times.length === 0 ? undefined : Math.max(...times) }
  }

  /**
   * Deletes a tag, or a manifest with all of its tags. A registry that cannot delete a tag alone loses the manifest, if no
   * other tag names it.
   *
   * @param how - `gone`: the tags that are deleted anyway; without it all of them may go
   * @throws ToolError `TAG_SHARED` if a tag that is not among them names the manifest; `DELETE_UNSUPPORTED`
   */
  async remove(
    reference: string,
    how: { readonly digest: string; readonly gone?: ReadonlySet<string> },
  ): Promise<void> {
    if (await this.#repository.deleteManifest(reference)) return
    const others = how.gone === undefined ? [] : await this.#othersOf(how.digest, how.gone)
    if (others.length > 0) {
      const why = 'the registry deletes a manifest with all of its tags only, and this one also has'
      const hint = 'give --force to delete all of them'
      throw new ToolError(
        'TAG_SHARED',
        `cannot delete ${this.name(reference)}: ${why} ${others.slice(0, 20).join(', ')}; ${hint}`,
      )
    }
    await this.#repository.deleteManifest(how.digest)
  }

  close(): Promise<void> {
    return this.#repository.close()
  }

  async #created({ config }: Manifest): Promise<number | undefined> {
    if (!isConfigType(config.mediaType)) return undefined
    const bytes = await readDocument(config, () => this.#repository.readBlob(config))
    const time = Date.parse(parseConfig(bytes).created ?? '')
    return Number.isNaN(time) ? undefined : time
  }

  async #othersOf(digest: string, gone: ReadonlySet<string>): Promise<readonly string[]> {
    const others: string[] = []
    for await (const tag of this.#repository.tags()) {
      if (gone.has(tag)) continue
      const found = await this.#repository.headManifest(tag)
      // A registry that does not say the digest of a tag may mean any.
      if (found !== undefined && (found.digest ?? digest) === digest) others.push(tag)
    }
    return others
  }
}

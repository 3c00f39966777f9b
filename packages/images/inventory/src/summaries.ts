/**
 * What a list of images says of each, remembered by digest: to list 2,000 images, 4,000 documents would have to be read
 * and checked.
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { replaceFile, type StoredDescriptor } from '@pipelayer/layout'
import { formatPlatform, isConfigType, isObject, parseConfig, platformOf } from '@pipelayer/oci'
import type { Store } from '@pipelayer/store'
import { readRegular } from '@pipelayer/sys'
import { contentOf, type ReadManifest } from './content.js'

/** An image in a few words. */
export interface ImageSummary {
  /** Bytes of all of its blobs, as they are stored; what several platforms share counts once. */
  readonly contentSize: number
  /** RFC 3339; the newest of its platforms. */
  readonly created?: string
  /** `os/architecture[/variant]`, in the order of the index. None for an artifact. */
  readonly platforms: readonly string[]
  /** Digests of the configs, in the same order: Docker's image ids. */
  readonly configs: readonly Digest[]
}

/** The form of the file: another number is another form, which is not read. */
const FORM = 1
const MAX_FILE_BYTES = 64 * 1024 * 1024

/** The summaries of a store's images. Call {@link save} at the end. */
export class Summaries {
  readonly #store: Store
  readonly #file: string
  /** Summaries of earlier runs, as the file has them: each is checked when it is asked for. */
  readonly #remembered: Readonly<Record<string, unknown>>
  readonly #added = new Map<string, ImageSummary>()

  constructor(store: Store) {
    this.#store = store
    this.#file = path.join(store.folder('summaries'), 'images.json')
    this.#remembered = readRemembered(this.#file)
  }

  /**
   * The summary of an entry of the index. An entry that was summed up before is not read again, so that damage which
   * came later is not seen.
   *
   * @throws {ToolError} for a document that is damaged or missing
   */
  of(entry: StoredDescriptor): ImageSummary {
    const known = this.#known(entry.digest)
    if (known !== undefined) return known
    const { blobs, manifests, absent } = contentOf(this.#store, entry)
    if (absent.includes(entry.digest))
      throw new ToolError('BLOB_UNKNOWN', `no blob ${entry.digest} in "${this.#store.root}"`)
    const summary = this.#sumUp(
      manifests,
      [...blobs].filter(([digest]) => !absent.includes(digest)),
    )
    // Platforms that are missing may come later.
    if (absent.length === 0) this.#added.set(entry.digest, summary)
    return summary
  }

  #known(digest: Digest): ImageSummary | undefined {
    const added = this.#added.get(digest)
    if (added !== undefined || !Object.hasOwn(this.#remembered, digest)) return added
    const summary = this.#remembered[digest]
    return isSummary(summary) ? summary : undefined
  }

  /** The digests of an image's configs; none for an image that is damaged. */
  configsOf(entry: StoredDescriptor): readonly Digest[] {
    try {
      return this.of(entry).configs
    } catch (error) {
      if (error instanceof ToolError) return []
      throw error
    }
  }

  /** Writes what was read, for the next program. Entries that the index has no more are left out. */
  save(): void {
    if (this.#added.size === 0) return
    const digests = new Set(this.#store.index().manifests.map(({ digest }) => digest))
    const known = [...digests].map(digest => [digest, this.#known(digest)] as const)
    const images = Object.fromEntries(known.filter(([, summary]) => summary !== undefined))
    try {
      fs.mkdirSync(path.dirname(this.#file), { recursive: true, mode: 0o755 })
      const temporary = `${this.#file}.${randomBytes(6).toString('hex')}`
      replaceFile(this.#file, temporary, JSON.stringify({ form: FORM, images }))
    } catch {
      // The next program reads the documents again, where the store is read-only or full.
    }
  }

  #sumUp(manifests: readonly ReadManifest[], blobs: readonly [Digest, number][]): ImageSummary {
    const images = manifests
      .filter(({ document }) => isConfigType(document.config.mediaType))
      .map(({ descriptor, document }) => {
        const config = parseConfig(this.#store.readBlob(document.config.digest))
        const platform = descriptor.platform ?? platformOf(config)
        return { id: document.config.digest, created: config.created, platform }
      })
      // BuildKit gives attestations the platform unknown/unknown.
      .filter(({ platform }) => platform?.os !== 'unknown')
    const created = newest(images.map(image => image.created ?? ''))
    const platforms = images.map(image => image.platform).filter(platform => platform !== undefined)
    return {
      contentSize: blobs.reduce((sum, [, size]) => sum + size, 0),
      ...(created !== undefined && { created }),
      platforms: unique(platforms.map(formatPlatform)),
      configs: unique(images.map(({ id }) => id)),
    }
  }
}

function newest(times: readonly string[]): string | undefined {
  const valid = times.filter(time => !Number.isNaN(Date.parse(time)))
  return valid.sort((a, b) => Date.parse(a) - Date.parse(b)).at(-1)
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)]
}

// What is damaged, of another form or no summary counts as missing: then the documents are read.
function readRemembered(file: string): Readonly<Record<string, unknown>> {
  try {
    const text = readRegular(file, MAX_FILE_BYTES).toString('utf8')
    const { form, images } = JSON.parse(text) as Record<string, unknown>
    return form === FORM && isObject(images) ? images : {}
  } catch {
    return {}
  }
}

function isSummary(value: unknown): value is ImageSummary {
  if (!isObject(value)) return false
  const { contentSize, created, platforms, configs } = value
  return (
    Number.isSafeInteger(contentSize) &&
    (created === undefined || typeof created === 'string') &&
    isTexts(platforms) &&
    isTexts(configs)
  )
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}

import type { Digest } from '@pipelayer/digest'
import { messageOf, ToolError } from '@pipelayer/errors'
import type { CreationTime } from '@pipelayer/oci'
import { isSameTar } from '@pipelayer/packing'
import { fetchBlob, limitTo, type Place, readDocument } from '@pipelayer/places'
import type { Store } from '@pipelayer/store'
import { CACHE_CONFIG_TYPE, parseCache, type SharedStep } from './cache-document.js'
import { cachePlace } from './cache-place.js'
import type { PackedStep } from './packed-step.js'
import { usualEncoding } from './usual-layer.js'

/** A step that another machine executed. */
export interface ImportedStep {
  readonly packed: PackedStep
  readonly encoding: string
  /** The cache, as the command line named it. */
  readonly name: string
  readonly place: Place
  /** Fetches its layer into the store. @throws {ToolError} `DIGEST_MISMATCH` and the errors of the place */
  fetch(): Promise<void>
}

interface OpenCache {
  readonly place: Place
  readonly name: string
  readonly steps: ReadonlyMap<string, SharedStep>
}

/** The imported caches of a build. */
export interface ImportOptions {
  /** The names that `--cache-from` gives. */
  readonly names: readonly string[]
  readonly open: (name: string) => Place
  /** The store that layers are fetched into. */
  readonly store: Store
  readonly time: CreationTime
  readonly signal: AbortSignal
  readonly warn: (message: string) => void
}

/** How many layers are fetched at the same time. */
const PARALLEL = 3

/**
 * The caches of `--cache-from`. If a cache does not exist or cannot be read, there is only a warning, since the first
 * build has none.
 *
 * A step is taken only if its key is the wanted one, and if the layers below it have the same digests as when it was
 * executed.
 */
export class StepImports {
  readonly #caches: readonly OpenCache[]
  readonly #options: ImportOptions
  readonly #turn = limitTo(PARALLEL)

  private constructor(caches: readonly OpenCache[], options: ImportOptions) {
    this.#caches = caches
    this.#options = options
  }

  /** Opens the caches, and reads which steps they have. @throws {ToolError} those of {@link cachePlace} */
  static async open(options: ImportOptions): Promise<StepImports> {
    const names = options.names.map(text => cachePlace(text, 'from'))
    // All caches are opened at the same time, because a server that does not answer is tried again and again.
    const caches = await Promise.all(names.map(name => openCache(name, options)))
    return new StepImports(
      caches.filter(cache => cache !== undefined),
      options,
    )
  }

  /**
   * @param on - the chainID of the layers below; while it is undefined, because they are not known yet, nothing is
   * found
   */
  find(key: Digest, on: Digest | undefined): ImportedStep | undefined {
    if (on === undefined) return undefined
    for (const { place, name, steps } of this.#caches) {
      const found = steps.get(`${key} ${on}`)
      if (!found) continue
      const { packed, encoding } = found
      return { packed, encoding, place, name, fetch: () => this.#turn(() => this.#fetch(packed, place)) }
    }
    return undefined
  }

  async close(): Promise<void> {
    for (const { place } of this.#caches) await place.close()
  }

  async #fetch({ blob }: PackedStep, place: Place): Promise<void> {
    if (blob === undefined) return
    const { store, signal, warn } = this.#options
    await fetchBlob(blob, { store, reader: place.read, signal, warn })
  }
}

async function openCache(name: string, options: ImportOptions): Promise<OpenCache | undefined> {
  const place = options.open(name)
  try {
    const { document } = await place.read.resolve()
    if (document.kind !== 'manifest' || document.config.mediaType !== CACHE_CONFIG_TYPE)
      throw new ToolError('CACHE_INVALID', 'it is an image, not a cache that --cache-to wrote')
    const { config } = document
    const usual = usualEncoding(options.time)
    const steps = parseCache(document, await readDocument(config, () => place.read.blob(config)))
    const fit = steps.filter(({ encoding }) => isSameTar(encoding, usual))
    return { place, name, steps: new Map(fit.map(step => [`${step.key} ${step.on}`, step])) }
  } catch (error) {
    await place.close()
    options.signal.throwIfAborted()
    if (!(error instanceof ToolError)) throw error
    options.warn(`the cache ${name} is not used: ${messageOf(error)}`)
    return undefined
  }
}

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

/** A step that somebody else executed. */
export interface ImportedStep {
  readonly packed: PackedStep
  readonly encoding: string
  /** The cache, as it was named. */
  readonly name: string
  readonly place: Place
  /** Brings its layer into the store. @throws {ToolError} `DIGEST_MISMATCH` and what the place throws */
  fetch(): Promise<void>
}

interface OpenCache {
  readonly place: Place
  readonly name: string
  readonly steps: ReadonlyMap<string, SharedStep>
}

/** The caches of a build: which are asked, and what for. */
export interface ImportOptions {
  /** As `--cache-from` names them. */
  readonly names: readonly string[]
  readonly open: (name: string) => Place
  /** Where layers come to. */
  readonly store: Store
  readonly time: CreationTime
  readonly signal: AbortSignal
  readonly warn: (message: string) => void
}

/** Layers fetched at the same time. */
const PARALLEL = 3

/**
 * The caches of `--cache-from`. A cache that is not there, or cannot be read, costs a warning: a first build has none.
 *
 * A step is taken only where its key is the one that is asked for, and where what lies below is, digest by digest, what
 * lay below it when it was executed.
 */
export class StepImports {
  readonly #caches: readonly OpenCache[]
  readonly #options: ImportOptions
  readonly #turn = limitTo(PARALLEL)

  private constructor(caches: readonly OpenCache[], options: ImportOptions) {
    this.#caches = caches
    this.#options = options
  }

  /** Opens the caches and reads what steps they have. @throws {ToolError} what {@link cachePlace} throws */
  static async open(options: ImportOptions): Promise<StepImports> {
    const names = options.names.map(text => cachePlace(text, 'from'))
    // All at a time: one that is gone is asked again and again before it is given up.
    const caches = await Promise.all(names.map(name => openCache(name, options)))
    return new StepImports(
      caches.filter(cache => cache !== undefined),
      options,
    )
  }

  /** @param on - the chainID of the layers below; undefined where they are not known yet: then nothing is found */
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

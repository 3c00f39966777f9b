import type { Digest } from '@pipelayer/digest'
import { messageOf, ToolError } from '@pipelayer/errors'
import { isSameTar } from '@pipelayer/layer'
import { fetchBlob, limitTo, openPlace, type Place, readDocument } from '@pipelayer/places'
import { CACHE_CONFIG_TYPE, parseCache, type SharedStep } from './cache-document.js'
import { cachePlace } from './cache-place.js'
import type { BuildOptions, BuildSetup } from './options.js'
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
  readonly #setup: BuildSetup
  readonly #options: BuildOptions
  readonly #turn = limitTo(PARALLEL)

  private constructor(caches: readonly OpenCache[], setup: BuildSetup, options: BuildOptions) {
    this.#caches = caches
    this.#setup = setup
    this.#options = options
  }

  static async open(options: BuildOptions, setup: BuildSetup): Promise<StepImports> {
    const names = (options.cacheFrom ?? []).map(text => cachePlace(text, 'from'))
    // All at a time: one that is gone is asked again and again before it is given up.
    const caches = await Promise.all(names.map(name => openCache(name, { options, setup })))
    return new StepImports(
      caches.filter(cache => cache !== undefined),
      setup,
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
    const { signal, onWarning } = this.#options
    const { store } = this.#setup
    await fetchBlob(blob, { store, reader: place.read, signal, warn: message => onWarning?.(message) })
  }
}

async function openCache(
  name: string,
  { options, setup }: { readonly options: BuildOptions; readonly setup: BuildSetup },
): Promise<OpenCache | undefined> {
  const place = openPlace(name, { ...setup.places, store: setup.store.root })
  try {
    const { document } = await place.read.resolve()
    if (document.kind !== 'manifest' || document.config.mediaType !== CACHE_CONFIG_TYPE)
      throw new ToolError('CACHE_INVALID', 'it is an image, not a cache that --cache-to wrote')
    const { config } = document
    const usual = usualEncoding(setup.time)
    const steps = parseCache(document, await readDocument(config, () => place.read.blob(config)))
    const fit = steps.filter(({ encoding }) => isSameTar(encoding, usual))
    return { place, name, steps: new Map(fit.map(step => [`${step.key} ${step.on}`, step])) }
  } catch (error) {
    await place.close()
    options.signal.throwIfAborted()
    if (!(error instanceof ToolError)) throw error
    options.onWarning?.(`the cache ${name} is not used: ${messageOf(error)}`)
    return undefined
  }
}

import { type Digest, digestOf } from '@pipelayer/digest'
import type { Descriptor } from '@pipelayer/oci'
import { MEDIA_TYPES } from '@pipelayer/oci'
import type { Place } from '@pipelayer/places'
import type { Chain, ChainStep } from '@pipelayer/planning'
import {
  CACHE_CONFIG_TYPE,
  cacheConfig,
  cacheManifest,
  cachePlace,
  contentWith,
  type EncodedLayer,
  type SharedStep,
  usualLayer,
} from '@pipelayer/step-cache'
import type { Store } from '@pipelayer/store'
import { packedLayer } from './step-packing.js'
import type { StepScheduler } from './step-scheduler.js'

/** A place that a cache is written to. */
export interface Export {
  /** The names that `--cache-to` gives. */
  readonly names: readonly string[]
  readonly open: (name: string) => Place
  readonly scheduler: StepScheduler
  readonly info: (message: string) => void
}

/** A step, and the cache that has its blob if the store does not. */
interface ExportedStep extends SharedStep {
  readonly origin?: Place
}

/**
 * Puts the steps of a build to the places of `--cache-to`, including the steps of stages that are in no image. Steps
 * that layer-pack has not packed yet are packed now. Steps that were not executed, and that neither the store nor an
 * imported cache has, are left out.
 *
 * @throws {ToolError} those of packing and of the places
 */
export async function exportCache(chains: readonly Chain[], work: Export): Promise<void> {
  if (work.names.length === 0) return
  const steps = new Map<string, ExportedStep>()
  for (const chain of chains)
    for (const step of await exportedSteps(chain, work)) steps.set(`${step.key} ${step.on}`, step)
  for (const text of work.names) await putCache([...steps.values()], cachePlace(text, 'to'), work)
}

async function exportedSteps(chain: Chain, work: Export): Promise<ExportedStep[]> {
  const steps: ExportedStep[] = []
  const [first] = chain.steps
  let on = (first?.onto ?? first?.below)?.content
  for (const step of chain.steps) {
    const found = await layerOf(step, work)
    if (found === undefined || on === undefined) break
    steps.push({ key: step.shared, on: step.onto === undefined ? on : '', ...found })
    const { blob, diffID } = found.packed
    on = blob === undefined ? on : contentWith(on, diffID)
  }
  return steps
}

async function layerOf(
  step: ChainStep,
  { scheduler }: Export,
): Promise<(EncodedLayer & { readonly origin?: Place }) | undefined> {
  const known = usualLayer(scheduler.cache.packed(step.cacheKey), scheduler.time)
  if (known) return known
  const { imported } = step
  if (imported) return { packed: imported.packed, encoding: imported.encoding, origin: imported.place }
  return await packedLayer(step, scheduler)
}

async function putCache(
  steps: readonly ExportedStep[],
  name: string,
  { open, info, scheduler: { store } }: Export,
): Promise<void> {
  info(`writing the cache to ${name}`)
  const place = open(name)
  try {
    for (const { packed, origin } of steps)
      if (packed.blob) await putLayer(place, packed.blob, { store, origin })
    const bytes = cacheConfig(steps)
    const config = descriptorOf(CACHE_CONFIG_TYPE, bytes)
    if (!(await place.write.hasBlob(config))) await place.write.putBlob(config, () => whole(bytes))
    const manifest = cacheManifest(config, steps)
    await place.write.publish({
      descriptor: descriptorOf(MEDIA_TYPES.ociManifest, manifest),
      bytes: manifest,
    })
  } finally {
    await place.close()
  }
}

async function putLayer(
  place: Place,
  blob: Descriptor,
  { store, origin }: { readonly store: Store; readonly origin: Place | undefined },
): Promise<void> {
  if (await place.write.hasBlob(blob)) return
  const open = (): AsyncIterable<Buffer> =>
    origin === undefined || store.hasBlob(blob.digest, blob.size)
      ? store.openBlob(blob.digest)
      : origin.read.blob(blob)
  await place.write.putBlob(blob, open, origin === undefined ? [] : [origin.text])
}

function descriptorOf(mediaType: string, bytes: Buffer): Descriptor & { readonly digest: Digest } {
  return { mediaType, digest: digestOf(bytes), size: bytes.length }
}

async function* whole(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

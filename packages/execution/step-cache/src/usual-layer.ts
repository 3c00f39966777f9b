import type { CreationTime } from '@pipelayer/oci'
import { encodingOf, isSameTar } from '@pipelayer/packing'
import type { PackedStep } from './packed-step.js'

/** A layer, and the name of how it was packed. */
export interface EncodedLayer {
  readonly encoding: string
  readonly packed: PackedStep
}

/** How layer-pack packs a step of this build when nothing else is said. */
export function usualEncoding({ epoch }: Pick<CreationTime, 'epoch'>): string {
  return encodingOf({
    compress: { format: 'gzip' },
    ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
  })
}

/** Of the layers of a step the usual one, else one that holds the same tar: layer-pack makes of it what is asked. */
export function usualLayer(
  all: ReadonlyMap<string, PackedStep>,
  time: Pick<CreationTime, 'epoch'>,
): EncodedLayer | undefined {
  const usual = usualEncoding(time)
  const encoding = all.has(usual) ? usual : [...all.keys()].find(name => isSameTar(name, usual))
  const packed = encoding === undefined ? undefined : all.get(encoding)
  return encoding === undefined || packed === undefined ? undefined : { encoding, packed }
}

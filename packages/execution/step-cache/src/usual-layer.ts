import type { CreationTime } from '@pipelayer/oci'
import { encodingOf, isSameTar } from '@pipelayer/packing'
import type { PackedStep } from './packed-step.js'

/** A layer, and the name of the encoding that it was packed in. */
export interface EncodedLayer {
  readonly encoding: string
  readonly packed: PackedStep
}

/** The name of the encoding that layer-pack uses for a step of this build without options. */
export function usualEncoding({ epoch }: Pick<CreationTime, 'epoch'>): string {
  return encodingOf({
    compress: { format: 'gzip' },
    ...(epoch === undefined ? {} : { sourceDateEpoch: epoch }),
  })
}

/**
 * The layer of a step in the usual encoding, or else one that holds the same tar: layer-pack can make any encoding from
 * it.
 */
export function usualLayer(
  all: ReadonlyMap<string, PackedStep>,
  time: Pick<CreationTime, 'epoch'>,
): EncodedLayer | undefined {
  const usual = usualEncoding(time)
  const encoding = all.has(usual) ? usual : [...all.keys()].find(name => isSameTar(name, usual))
  const packed = encoding === undefined ? undefined : all.get(encoding)
  return encoding === undefined || packed === undefined ? undefined : { encoding, packed }
}

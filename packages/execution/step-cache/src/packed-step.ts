import { type Digest, isDigest } from '@pipelayer/digest'

/** The layer of a step, as layer-pack made it. Without a blob, the step changed nothing. */
export interface PackedStep {
  readonly created: string
  readonly blob?: { readonly mediaType: string; readonly digest: Digest; readonly size: number }
  readonly diffID?: Digest
  readonly engine?: string
}

/** Reads the note of layer-pack in the store, or the entry of a cache; undefined if it describes no layer. */
export function packedStep(record: Readonly<Record<string, unknown>>): PackedStep | undefined {
  const { created, empty, mediaType, digest, size, diffID, engine } = record
  if (typeof created !== 'string' || Number.isNaN(Date.parse(created))) return undefined
  if (empty === true) return { created }
  if (typeof mediaType !== 'string' || typeof size !== 'number' || !isName(digest) || !isName(diffID))
    return undefined
  const blob = { mediaType, digest, size }
  return { created, blob, diffID, ...(typeof engine === 'string' && engine !== '' ? { engine } : {}) }
}

/** The fields of a `layer` record. */
export function layerFields({ blob, diffID, engine }: PackedStep): Readonly<Record<string, unknown>> {
  if (blob === undefined) return { empty: true }
  return { ...blob, diffID, ...(engine === undefined ? {} : { engine }) }
}

function isName(value: unknown): value is Digest {
  return typeof value === 'string' && isDigest(value)
}

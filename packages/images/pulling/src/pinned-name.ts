import { ToolError } from '@pipelayer/errors'
import { pinOf } from '@pipelayer/layout'
import type { PlacedManifest, PlaceOptions } from '@pipelayer/places'
import type { Store } from '@pipelayer/store'
import type { Keeper } from './keeper.js'

/** A manifest that is to get a name in the store. */
export interface NamedManifest {
  readonly found: PlacedManifest
  /** The indexes through which it was found. */
  readonly above: readonly PlacedManifest[]
  readonly reference: string
}

/**
 * Whether the store may give a manifest the name by which the user asked for it. If the reference pins the digest of an
 * index, the name is given to the manifest that was chosen from that index, and the index is kept in the store as the
 * proof. If nothing proves the name, `warn` is called with the code `NAME_PINNED`.
 *
 * @throws ToolError those of the store
 */
export function mayBeNamed(
  { found, above, reference }: NamedManifest,
  {
    store,
    keeper,
    warn,
  }: {
    readonly store: Store
    readonly keeper: Pick<Keeper, 'manifest'>
    readonly warn?: PlaceOptions['warn'] | undefined
  },
): boolean {
  const pin = pinOf(reference)
  if (pin === undefined || pin === found.descriptor.digest) return true
  for (const index of above) keeper.manifest(index)
  try {
    store.checkName(reference, found.descriptor.digest)
    return true
  } catch (error) {
    if (!(error instanceof ToolError) || error.code !== 'DIGEST_MISMATCH') throw error
    warn?.(`${error.message}: the image gets no name in the store`, 'NAME_PINNED')
    return false
  }
}

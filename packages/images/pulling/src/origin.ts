import type { Place } from '@pipelayer/places'
import type { Keeper } from './keeper.js'

/**
 * The places where a blob was found, for the field `from` of its record. A blob of this store needs no such field,
 * since its path says where it is; without paths, its digest in the store is named.
 */
export function originOf(
  { place, keeper }: { readonly place: Place; readonly keeper: Pick<Keeper, 'hasPaths'> },
  digest: string,
): { readonly from?: readonly string[] } {
  if (!place.traits.isStore) return { from: place.origins ?? [place.text] }
  return keeper.hasPaths ? {} : { from: [`store:${digest}`] }
}

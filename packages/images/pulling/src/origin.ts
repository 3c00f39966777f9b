import type { Place } from '@pipelayer/places'
import type { Keeper } from './keeper.js'

/**
 * Where a blob was found, as the `from` of its record. The path of a blob that came from this store says all there is to
 * say; without paths its digest is named.
 */
export function originOf(
  { place, keeper }: { readonly place: Place; readonly keeper: Pick<Keeper, 'hasPaths'> },
  digest: string,
): { readonly from?: readonly string[] } {
  if (!place.traits.isStore) return { from: place.origins ?? [place.text] }
  return keeper.hasPaths ? {} : { from: [`store:${digest}`] }
}

import { formatName, formatReference, parseAny, withDefaultTag } from '@pipelayer/reference'
import { Store } from '@pipelayer/store'
import { LayoutPlace, repositoryOf } from './layout-place.js'
import type { Place, PlaceOptions } from './place.js'
import { refusing } from './refusing.js'

/**
 * `store:NAME[:TAG]` or `store:DIGEST`: an image of the local store. Names are kept fully qualified; a digest need not
 * be in the index, since a build without a name makes no entry there.
 */
export function openLocal(rest: string, options: PlaceOptions): Place {
  const parsed = parseAny(rest)
  const isName = parsed.domain !== undefined
  const name = isName ? formatReference(withDefaultTag(parsed)) : parsed.digest
  const what = isName ? { name } : { name: undefined, digest: parsed.digest }
  const place = new LayoutPlace({
    open: create => Store.open(options.store, { create }),
    text: `store ${options.store}`,
    ...what,
    defersName: options.run?.archives !== undefined,
    warn: options.warn,
    verify: options.verify === true,
    published: { place: `store:${name}`, ...(isName && { reference: name }) },
  })
  const write = isName ? place : refusing(`cannot write to store:${name}: give it a name`)
  const repository = isName ? repositoryOf('store:', formatName(parsed)) : undefined
  return {
    traits: { isLocal: true, isStore: true, isStaged: false, isSerial: false },
    text: 'store:',
    ...(isName && { reference: name }),
    ...(repository && { repository }),
    read: place,
    write,
    close: async () => undefined,
  }
}

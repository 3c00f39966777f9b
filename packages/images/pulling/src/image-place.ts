import { isDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { findImage, nameOf, Summaries } from '@pipelayer/inventory'
import { parsePlace } from '@pipelayer/places'
import { Store } from '@pipelayer/store'

/** An image, as a user names it. */
export interface ImagePlace {
  /** What `openPlace` takes. */
  readonly text: string
  /** The names that the image has in the store, in the order of its index; none elsewhere. */
  readonly names: readonly string[]
}

/**
 * Finds the place of an image that a user names as for `docker inspect`: a name, a digest or an id of the store, or any
 * place with its transport before it. So a plain name is an image of the store, and no registry is asked.
 *
 * @param store - the folder of the store
 * @throws ToolError `MANIFEST_UNKNOWN`, `REFERENCE_AMBIGUOUS`, `LAYOUT_MISSING`; `PLACE_UNSUPPORTED`, `PLACE_INVALID`
 */
export function imagePlace(text: string, store: string): ImagePlace {
  const { transport } = parsePlace(text)
  const isPlain = transport === 'store' || (transport === 'docker' && !text.startsWith('docker:'))
  if (!isPlain) return { text, names: [] }
  const opened = Store.open(store, { create: false })
  try {
    const { entries } = findImage(opened, text, new Summaries(opened))
    const [entry] = entries
    const same = opened.index().manifests.filter(({ digest }) => digest === entry?.digest)
    return { text: `store:${entry?.digest}`, names: same.flatMap(named => nameOf(named) ?? []) }
  } catch (error) {
    // A manifest that only an index names, or an image that was built without a name.
    const digest = text.replace(/^store:/, '')
    if (!(error instanceof ToolError) || error.code !== 'MANIFEST_UNKNOWN' || !isDigest(digest)) throw error
    return { text: `store:${digest}`, names: [] }
  }
}

import { ToolError } from '@pipelayer/errors'
import type { Place, PlaceOptions } from '@pipelayer/places'
import { Store } from '@pipelayer/store'

const TRANSPORT = 'docker://'

/**
 * Where the store has the image that a registry is asked for: how to name it there, as `store:app:1`. A short name means
 * Docker Hub, and somebody who has just built `app:1` may not think of that.
 */
export function placeInStore(text: string, { traits, reference }: Place, dir: string): string | undefined {
  if (traits.isLocal || reference === undefined) return undefined
  try {
    const found = Store.open(dir, { create: false }).resolve(reference)
    return found.length === 0 ? undefined : `store:${text.replace(TRANSPORT, '')}`
  } catch {
    // Without a store, or with a broken one, the registry's own refusal says enough.
    return undefined
  }
}

/**
 * A `warn` that says once, behind the first failure that is tried again, what else there is: five tries may take a minute.
 * Such failures come with a code.
 */
export function warnWith(
  warn: PlaceOptions['warn'],
  hint: () => string | undefined,
): NonNullable<PlaceOptions['warn']> {
  let isSaid = false
  return (message, code) => {
    warn?.(message, code)
    if (isSaid || code === undefined) return
    isSaid = true
    const place = hint()
    if (place !== undefined) warn?.(`${place} is here`)
  }
}

/** The failure of a registry, with where the image is. */
export function withHint(error: unknown, place: string | undefined): unknown {
  if (place === undefined || !(error instanceof ToolError)) return error
  const { code, message, status } = error
  return new ToolError(code, `${message}; ${place} is here`, { cause: error, status })
}

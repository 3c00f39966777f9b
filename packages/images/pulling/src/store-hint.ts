import { ToolError } from '@pipelayer/errors'
import type { Place, PlaceOptions } from '@pipelayer/places'
import { Store } from '@pipelayer/store'

const TRANSPORT = 'docker://'

/**
 * The name in the store, such as `store:app:1`, of an image that a registry is asked for, if the store has it. A short
 * name means Docker Hub, which is easily forgotten by somebody who has just built `app:1`.
 */
export function placeInStore(text: string, { traits, reference }: Place, dir: string): string | undefined {
  if (traits.isLocal || reference === undefined) return undefined
  try {
    const found = Store.open(dir, { create: false }).resolve(reference)
    return found.length === 0 ? undefined : `store:${text.replace(TRANSPORT, '')}`
  } catch {
    // If there is no store, or a broken one, the registry's own refusal says enough.
    return undefined
  }
}

/**
 * Returns a `warn` that adds the image in the store to the first failure that is tried again, once: the user should not
 * have to wait for all five tries, which may take a minute. Such failures have a code.
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

/** Adds to the failure of a registry where the store has the image. */
export function withHint(error: unknown, place: string | undefined): unknown {
  if (place === undefined || !(error instanceof ToolError)) return error
  const { code, message, status } = error
  return new ToolError(code, `${message}; ${place} is here`, { cause: error, status })
}

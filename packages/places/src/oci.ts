import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import { Layout } from '@pipelayer/store'
import { LayoutPlace } from './layout-place.js'
import type { Place } from './place.js'

/** `oci:DIR[:TAG]`: an OCI image layout. As in other tools, the first colon ends DIR. */
export function openOci(rest: string): Place {
  const { directory, tag } = parseOci(rest)
  const root = path.resolve(directory)
  const text = `oci:${root}`
  const place = new LayoutPlace({
    open: create => Layout.open(root, { create }),
    text,
    name: tag,
    published: { place: tag === undefined ? text : `${text}:${tag}` },
  })
  return { text, read: place, write: place, close: async () => undefined }
}

/**
 * Splits what stands after `oci:`.
 *
 * @throws ToolError `PLACE_INVALID`
 */
export function parseOci(rest: string): { directory: string; tag: string | undefined } {
  const colon = rest.indexOf(':')
  const directory = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? undefined : rest.slice(colon + 1)
  if (directory === '' || tag === '') {
    throw new ToolError('PLACE_INVALID', `invalid place "oci:${rest}": expected oci:DIR[:TAG]`)
  }
  return { directory, tag }
}

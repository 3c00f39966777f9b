import path from 'node:path'
import { type Digest, isDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { Layout } from '@pipelayer/layout'
import { formatName, parseNormalized } from '@pipelayer/reference'
import { LayoutPlace, repositoryOf } from './layout-place.js'
import type { Place, PlaceOptions } from './place.js'

/**
 * `oci:DIR[:TAG]`: an OCI image layout. As in other tools, the first colon ends DIR, and `@N` in place of TAG means the
 * Nth entry of its index, from 0; `@DIGEST` means a manifest or an index that the layout has.
 */
export function openOci(rest: string, options: Pick<PlaceOptions, 'run' | 'verify' | 'warn'> = {}): Place {
  const { directory, tag, index, digest } = parseOci(rest)
  const root = path.resolve(directory)
  const text = `oci:${root}`
  const place = new LayoutPlace({
    open: create => Layout.open(root, { create }),
    text,
    name: tag,
    defersName: options.run?.archives !== undefined,
    warn: options.warn,
    verify: options.verify === true,
    ...(index !== undefined && { index }),
    ...(digest !== undefined && { digest }),
    published: { place: tag === undefined ? text : `${text}:${tag}` },
  })
  const traits = { isLocal: true, isStore: false, isStaged: false, isSerial: false }
  const repository = tag?.includes('/')
    ? repositoryOf(`${text}:`, formatName(parseNormalized(tag)))
    : undefined
  const close = async (): Promise<void> => undefined
  return { traits, text, ...(repository && { repository }), read: place, write: place, close }
}

/** The parts of an `oci:` name. */
export interface OciName {
  /** For `oci-archive`, a file. */
  readonly directory: string
  readonly tag?: string
  /** Position in the index of the layout, from 0. */
  readonly index?: number
  /** The digest of a manifest or an index. */
  readonly digest?: Digest
}

/**
 * Splits the text after `oci:`, or after another transport whose names have the same form.
 *
 * @throws ToolError `PLACE_INVALID`
 */
export function parseOci(rest: string, transport: string = 'oci'): OciName {
  const colon = rest.indexOf(':')
  const directory = colon < 0 ? rest : rest.slice(0, colon)
  const tag = colon < 0 ? '' : rest.slice(colon + 1)
  if (directory === '') {
    const what = transport === 'oci' ? 'DIR' : 'FILE'
    throw new ToolError(
      'PLACE_INVALID',
      `invalid place "${transport}:${rest}": expected ${transport}:${what}[:TAG]`,
    )
  }
  if (tag === '') return { directory }
  if (tag.startsWith('@') && isDigest(tag.slice(1))) return { directory, digest: tag.slice(1) }
  const index = /^@(\d{1,9})$/.exec(tag)?.[1]
  return index === undefined ? { directory, tag } : { directory, index: Number(index) }
}

/**
 * The entries of a layer as changes, as they stand in its tar; nothing is unpacked.
 *
 * A `change` has no fields for some of a tar's data, which is dropped: names of owners, atime and ctime, PAX records of
 * vendors, the spelling of a name (`./a` is `a`), and the dialect of the tar.
 *
 * @module
 */

import { createHash, type Hash } from 'node:crypto'
import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { type ChangeRecord, type ContentFields, type EntryFields, nameFields } from '@pipelayer/records'
import {
  ALL,
  componentsOf,
  explained,
  hiddenBy,
  isAufs,
  MAX_NAME_BYTES,
  quoted,
  type Warn,
} from '@pipelayer/rootfs'
import { type ReadEntry, type TarEvent, TarParser } from '@pipelayer/tar'
import { RunsBuilder } from './content-runs.js'
import { attributeFields, pathFields } from './entry-fields.js'

export interface ListOptions {
  /** The blob that contains the tar. Without it entries have no `content`. */
  readonly blob?: { readonly digest: Digest; readonly path?: string | undefined }
  /** Hash each file, for {@link ListedChange.sum}. */
  readonly sums?: boolean
  readonly onWarning?: Warn | undefined
  readonly signal?: AbortSignal | undefined
}

/** One entry. */
export interface ListedChange {
  readonly change: ChangeRecord
  /** sha256 of a file's bytes, in hex, where asked for. */
  readonly sum?: string | undefined
}

/**
 * Lists a tar that is not compressed. Memory: one header.
 *
 * @throws ToolError `PATH_ESCAPES`, `NAME_TOO_LONG`, `WHITEOUT_INVALID`, `ROOT_REPLACED`, `ID_INVALID`: the archive is
 *   hostile or broken; those of TarParser
 */
export async function* listLayer(
  tar: AsyncIterable<Buffer>,
  options: ListOptions = {},
): AsyncGenerator<ListedChange, void, void> {
  const parser = new TarParser({ holes: 'events' })
  const lister = new Lister(options)
  for await (const chunk of tar) {
    options.signal?.throwIfAborted()
    for (const event of parser.push(chunk)) {
      const listed = lister.take(event)
      if (listed !== undefined) yield listed
    }
  }
  parser.finish()
}

class Lister {
  readonly #options: ListOptions
  #open: { entry: ReadEntry; dataOffset: number; runs: RunsBuilder; hash: Hash | undefined } | undefined

  constructor(options: ListOptions) {
    this.#options = options
  }

  take(event: TarEvent): ListedChange | undefined {
    const open = this.#open
    switch (event.type) {
      case 'entry': {
        const { entry, dataOffset } = event
        const hash = this.#options.sums === true && entry.type === 'file' ? createHash('sha256') : undefined
        this.#open = { entry, dataOffset, runs: new RunsBuilder(), hash }
        return undefined
      }
      case 'data':
        open?.runs.data(event.bytes.length)
        open?.hash?.update(event.bytes)
        return undefined
      case 'hole':
        open?.runs.hole(event.size)
        // The size of a hole is hashed in place of its zeros, which may be too many to hash. So files with different
        // holes count as different.
        open?.hash?.update(`hole ${event.size}`)
        return undefined
      case 'end':
        return this.#finish()
      default:
        return undefined
    }
  }

  #finish(): ListedChange | undefined {
    const open = this.#open
    if (open === undefined) return undefined
    this.#open = undefined
    const { entry, dataOffset, runs, hash } = open
    const change = this.#change(entry, () => this.#content(dataOffset, runs))
    return change === undefined ? undefined : { change, sum: hash?.digest('hex') }
  }

  #content(offset: number, runs: RunsBuilder): ContentFields | undefined {
    const { blob } = this.#options
    if (blob === undefined) return undefined
    const list = runs.result()
    const { digest, path } = blob
    return {
      digest,
      offset,
      ...(list === undefined ? {} : { runs: list }),
      ...(path === undefined ? {} : { path }),
    }
  }

  #change(entry: ReadEntry, content: () => ContentFields | undefined): ChangeRecord | undefined {
    if (entry.name.length > MAX_NAME_BYTES)
      throw new ToolError(
        'NAME_TOO_LONG',
        `entry ${quoted(entry.name)}: its name has ${entry.name.length} bytes`,
      )
    const components = componentsOf(entry.name)
    const name = components.at(-1)
    if (isAufs(components)) return undefined
    if (entry.type === 'other') {
      const flag = JSON.stringify(entry.typeflag)
      this.#options.onWarning?.(`entry ${quoted(entry.name)} is left out: no file has its type ${flag}`)
      return undefined
    }
    const marker = markerOf(components, entry)
    if (marker !== undefined) return marker
    if (name === undefined && entry.type !== 'dir')
      throw new ToolError(
        'ROOT_REPLACED',
        `entry ${quoted(entry.name)} puts a ${entry.type} in place of the root`,
      )
    const fields = { type: entry.type, ...fieldsOf(entry), ...contentFields(entry, content) }
    return {
      type: 'change',
      op: name === undefined ? 'modify' : 'add',
      ...placeFields(components),
      entry: fields,
    }
  }
}

/** The change for a whiteout; undefined for any other entry. */
function markerOf(components: readonly string[], entry: ReadEntry): ChangeRecord | undefined {
  const parents = components.slice(0, -1)
  const hidden = hiddenIn(entry, parents, components.at(-1) ?? '')
  if (hidden === undefined) return undefined
  if (hidden === ALL) return { type: 'change', op: 'opaque', ...placeFields(parents) }
  return { type: 'change', op: 'delete', ...placeFields([...parents, hidden]) }
}

function hiddenIn(entry: ReadEntry, parents: readonly string[], name: string): string | undefined {
  try {
    return hiddenBy(parents, name)
  } catch (error) {
    throw explained(error, `entry ${quoted(entry.name)}`)
  }
}

function fieldsOf(entry: ReadEntry): Omit<EntryFields, 'type'> {
  const { uid, gid, name } = entry
  if (uid < 0 || gid < 0)
    throw new ToolError('ID_INVALID', `entry ${quoted(name)}: no system has the owner ${uid}:${gid}`)
  return attributeFields(entry)
}

function contentFields(entry: ReadEntry, content: () => ContentFields | undefined): Partial<EntryFields> {
  switch (entry.type) {
    case 'file': {
      const { size } = entry
      const where = size === 0 ? undefined : content()
      return { size, ...(where === undefined ? {} : { content: where }) }
    }
    case 'symlink':
      return nameFields('linkname', entry.linkname)
    case 'hardlink':
      return nameFields('linkname', componentsOf(entry.linkname).join('/'))
    case 'char':
    case 'block':
      return { devmajor: entry.devmajor, devminor: entry.devminor }
    default:
      return {}
  }
}

function placeFields(components: readonly string[]): Pick<ChangeRecord, 'path' | 'pathRaw'> {
  return pathFields(components.length === 0 ? '.' : components.join('/'))
}

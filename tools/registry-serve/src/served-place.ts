import { ToolError } from '@pipelayer/errors'
import type { StorageKind } from './storage.js'

/** The place that the operand names. */
export interface ServedPlace {
  readonly dir: string
  /** Undefined if it has to be found out from the folder. */
  readonly kind: StorageKind | undefined
  /** It is the local store, which has a lease. */
  readonly isStore?: boolean
}

/** The kind of storage, by the transport of a place. */
const KINDS: ReadonlyMap<string, StorageKind> = new Map([
  ['oci', 'layout'],
  ['registry-fs', 'folder'],
])

/** Transports of other tools that do not stand for a folder of images. */
const FOREIGN = new Set(['docker', 'docker-archive', 'docker-store', 'oci-archive'])

/**
 * Reads the operand: `oci:DIR`, `registry-fs:DIR`, `store:` or a plain folder. The whole folder is served, so no image
 * is named. A folder whose own name looks like a place is written `./oci:x`.
 *
 * @param storePath - the folder that `store:` stands for
 * @throws ToolError `PLACE_INVALID`, `USAGE`: the place contradicts --layout or --folder; status 2
 */
export function servedPlace(
  text: string,
  given: StorageKind | undefined,
  storePath: () => string,
): ServedPlace {
  const [, transport = '', rest = ''] = /^([a-z-]+):(.*)$/s.exec(text) ?? []
  if (transport === 'store') {
    if (rest !== '') throw invalid(text, 'the whole store is served: write store:')
    return { dir: storePath(), kind: agreed(text, 'layout', given), isStore: true }
  }
  const kind = KINDS.get(transport)
  if (kind !== undefined) return { dir: named(text, rest), kind: agreed(text, kind, given) }
  if (FOREIGN.has(transport))
    throw invalid(text, 'only oci:DIR, registry-fs:DIR, store: and folders can be served')
  return { dir: text, kind: given }
}

function named(text: string, dir: string): string {
  if (dir === '') throw invalid(text, 'it names no folder')
  // As in other tools, the first colon ends the folder, and the name of an image follows.
  if (dir.includes(':')) throw invalid(text, 'all of the folder is served: leave the name of the image out')
  return dir
}

function agreed(text: string, kind: StorageKind, given: StorageKind | undefined): StorageKind {
  if (given === undefined || given === kind) return kind
  throw new ToolError('USAGE', `${text} is a ${kind}: it cannot be served as a ${given}`, { status: 2 })
}

function invalid(text: string, why: string): ToolError {
  return new ToolError('PLACE_INVALID', `cannot serve "${text}": ${why}`, { status: 2 })
}

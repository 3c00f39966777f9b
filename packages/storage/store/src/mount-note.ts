/**
 * What is written down of a mount.
 *
 * @module
 */
import { MAX_DOCUMENT } from '@pipelayer/oci'
import { readRegular } from '@pipelayer/sys'

/** A directory that was made for the mount, and goes with it. */
export type MadeDir = 'target' | 'work'

/** The directories of a mount: real paths, absolute. */
export interface MountDirs {
  readonly target: string
  /** Nearest first. */
  readonly lowers: readonly string[]
  readonly upper?: string
  readonly work?: string
}

/** Who made a mount, and where. */
export interface MountMaker {
  readonly uid: number
  /** RFC 3339. */
  readonly created: string
  /** The process for whose command the mount is, which alone sees it; it is gone when that process has ended. */
  readonly pid?: number
  /** The boot of the machine and the mount namespace. */
  readonly boot: string
  readonly namespace: string
}

/** A mount that ovl-mount made. */
export interface MountNote {
  readonly dirs: MountDirs
  readonly maker: MountMaker
  readonly xattrs: 'trusted' | 'user'
  /** The name of the image that it shows. */
  readonly reference?: string
  readonly made: readonly MadeDir[]
  /** It was unmounted, but something may still use it. */
  readonly unmounted?: true
  /** What the mount table says of it, as soon as it is mounted. */
  readonly row?: { readonly id: number; readonly device: string; readonly options: string }
}

/** Reads a note. Undefined where it is damaged, so that nobody acts by it, or not there. */
export function readNote(file: string): MountNote | undefined {
  try {
    const value: unknown = JSON.parse(readRegular(file, MAX_DOCUMENT).toString('utf8'))
    return isNote(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** The types of fields; one that ends in `?` may be absent. */
type Shape = Readonly<Record<string, 'string' | 'number' | 'string?' | 'number?'>>

const DIRS: Shape = { target: 'string', upper: 'string?', work: 'string?' }
const MAKER: Shape = { uid: 'number', created: 'string', pid: 'number?', boot: 'string', namespace: 'string' }
const ROW: Shape = { id: 'number', device: 'string', options: 'string' }

function isNote(value: unknown): value is MountNote {
  const field = fieldsOf(value)
  const dirs = field('dirs')
  return (
    hasShape(dirs, DIRS) &&
    areTexts(fieldsOf(dirs)('lowers')) &&
    hasShape(field('maker'), MAKER) &&
    ['trusted', 'user'].includes(String(field('xattrs'))) &&
    ['string', 'undefined'].includes(typeof field('reference')) &&
    areTexts(field('made')) &&
    ['boolean', 'undefined'].includes(typeof field('unmounted')) &&
    (field('row') === undefined || hasShape(field('row'), ROW))
  )
}

function fieldsOf(value: unknown): (name: string) => unknown {
  return name => (typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined)
}

function hasShape(value: unknown, shape: Shape): boolean {
  const field = fieldsOf(value)
  return Object.entries(shape).every(
    ([name, type]) =>
      typeof field(name) === type.replace('?', '') || (type.endsWith('?') && field(name) === undefined),
  )
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(each => typeof each === 'string')
}

/**
 * What is written down of a mount.
 *
 * @module
 */
import { MAX_DOCUMENT } from '@pipelayer/oci'
import { readRegular } from '@pipelayer/sys'

/** A directory that was made for the mount, and goes with it. */
export type MadeDir = 'target' | 'work'

/** A mount that ovl-mount made. Directories are real paths, absolute. */
export interface MountNote {
  readonly target: string
  /** The name of the image that it shows. */
  readonly reference?: string
  /** Nearest first. */
  readonly lowers: readonly string[]
  readonly upper?: string
  readonly work?: string
  readonly xattrs: 'trusted' | 'user'
  readonly made: readonly MadeDir[]
  /** Who mounted it, and when (RFC 3339). */
  readonly uid: number
  readonly created: string
  /** The boot of the machine and the mount namespace in which it was made. */
  readonly boot: string
  readonly namespace: string
  /** The process for whose command it is, which alone sees it; it is gone when that process has ended. */
  readonly pid?: number
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

const TEXTS = ['target', 'created', 'boot', 'namespace'] as const

function isNote(value: unknown): value is MountNote {
  if (typeof value !== 'object' || value === null) return false
  const field = (name: string): unknown => Reflect.get(value, name)
  return (
    TEXTS.every(name => typeof field(name) === 'string') &&
    ['upper', 'work', 'reference'].every(name => ['string', 'undefined'].includes(typeof field(name))) &&
    ['trusted', 'user'].includes(String(field('xattrs'))) &&
    areTexts(field('lowers')) &&
    areTexts(field('made')) &&
    typeof field('uid') === 'number' &&
    ['number', 'undefined'].includes(typeof field('pid')) &&
    [true, undefined].includes(field('unmounted') as true) &&
    isRow(field('row'))
  )
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every(each => typeof each === 'string')
}

function isRow(value: unknown): boolean {
  if (value === undefined) return true
  if (typeof value !== 'object' || value === null) return false
  const types = { id: 'number', device: 'string', options: 'string' }
  return Object.entries(types).every(([name, type]) => typeof Reflect.get(value, name) === type)
}

/**
 * Removes entries of lower layers, and only these: a layer's whiteouts never touch what the layer itself brings.
 *
 * @module
 */

import fs from 'node:fs'
import { errnoOf, ToolError } from '@pipelayer/errors'
import { type Attributer, Folder, type PathSet } from '@pipelayer/rootfs'
import type { Spot } from './make.js'

/** What {@link Remover} has to know. */
export interface Own {
  /** Keys of {@link spotKey} of all that the current layer has made. */
  readonly made: PathSet
  readonly attributer: Attributer
}

/** What a name is, by whatever path its directory was reached. */
export function spotKey({ folder, name }: Spot): string {
  return `${folder.key}/${name}`
}

/** Removes an entry with all below it, but for what is the layer's own and the directories that hold it. */
export function removeLower(spot: Spot, own: Own): void {
  const { folder, name } = spot
  const stat = folder.lstat(name)
  if (stat === undefined) return
  const isOwn = own.made.has(spotKey(spot))
  if (stat.isDirectory()) removeContents(spot, own)
  if (isOwn) return
  folder.isTouched = true
  if (!stat.isDirectory()) fs.unlinkSync(folder.at(name))
  else removeEmpty(spot)
}

/** Removes the contents of a directory, as {@link removeLower} does. */
export function removeContents({ folder, name }: Spot, own: Own): void {
  const inner = new Folder(folder.at(name), { attributer: own.attributer, parent: folder })
  try {
    for (const child of inner.names()) removeLower({ folder: inner, name: child }, own)
  } finally {
    inner.close()
  }
}

/**
 * Makes room for an entry that takes the place of another.
 *
 * @throws ToolError `ENTRY_CONFLICT` where a directory would have to go that holds entries of the same layer
 */
export function clear(spot: Spot, own: Own): void {
  const { folder, name } = spot
  folder.isTouched = true
  if (folder.lstat(name)?.isDirectory() !== true) {
    fs.rmSync(folder.at(name), { force: true })
    return
  }
  removeContents(spot, own)
  if (!removeEmpty(spot))
    throw new ToolError('ENTRY_CONFLICT', 'it replaces a directory that holds entries of the same layer')
}

function removeEmpty({ folder, name }: Spot): boolean {
  try {
    fs.rmdirSync(folder.at(name))
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') return false
    throw error
  }
}

/**
 * The tree on disk, for the removal of entries.
 *
 * @module
 */

import fs from 'node:fs'
import { errnoOf } from '@pipelayer/errors'
import { type Attributer, Folder, type PathSet, type RemovableTree } from '@pipelayer/rootfs'
import type { Spot } from './make.js'

/** Identifies a name, by whatever path its directory was reached. */
export function spotKey({ folder, name }: Spot): string {
  return `${folder.key}/${name}`
}

/** Removes entries from open directories, whose times are kept. */
export class FoldersToRemoveFrom implements RemovableTree<Folder> {
  readonly #attributer: Attributer
  readonly #made: PathSet | undefined

  /**
   * @param made - {@link spotKey} of all entries that the current layer has made; without it, no entry counts as its
   * own
   */
  constructor(attributer: Attributer, made?: PathSet) {
    this.#attributer = attributer
    this.#made = made
  }

  kindOf(folder: Folder, name: string): 'dir' | 'other' | undefined {
    const stat = folder.lstat(name)
    if (stat === undefined) return undefined
    return stat.isDirectory() ? 'dir' : 'other'
  }

  isOwn(folder: Folder, name: string): boolean {
    return this.#made?.has(spotKey({ folder, name })) === true
  }

  names(folder: Folder): string[] {
    return folder.names()
  }

  enter(folder: Folder, name: string): Folder {
    return new Folder(folder.at(name), { attributer: this.#attributer, parent: folder })
  }

  leave(folder: Folder): void {
    folder.close()
  }

  remove(folder: Folder, name: string): void {
    folder.isTouched = true
    fs.unlinkSync(folder.at(name))
  }

  removeEmpty(folder: Folder, name: string): boolean {
    folder.isTouched = true
    try {
      fs.rmdirSync(folder.at(name))
      return true
    } catch (error) {
      if (errnoOf(error) === 'ENOTEMPTY' || errnoOf(error) === 'EEXIST') return false
      throw error
    }
  }
}

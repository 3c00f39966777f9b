/**
 * Checks changes in the order of a tar against the rules for a layer.
 *
 * @module
 */

import { type ChangeRecord, nameOf } from '@pipelayer/records'
import { PathSet, quoted } from '@pipelayer/rootfs'
import { checkedPath, invalid, type PlacedChange } from './order.js'

/**
 * No path may come twice unless it is a directory, and every hard link must follow its file. Parents may be in a layer
 * below.
 *
 * Memory: 16 to 32 bytes for each entry.
 */
export class ListedCheck {
  readonly #seen = new PathSet()
  readonly #files = new PathSet()

  /**
   * @throws ToolError `DUPLICATE_ENTRY`, `LINK_TARGET_MISSING` (a filter took the file away, or it lies in a layer
   *   below: take the link away too, or squash the layers), `CHANGE_INVALID`, `WHITEOUT_NAME`
   */
  check(change: ChangeRecord): PlacedChange {
    const path = checkedPath(change)
    const isNew = this.#seen.add(`${change.entry === undefined ? change.op : 'entry'}/${path}`)
    if (!isNew && change.entry?.type !== 'dir')
      throw invalid('DUPLICATE_ENTRY', { change, path }, 'the layer has it twice')
    if (change.entry?.type === 'hardlink') this.#requireTarget(change, path)
    else if (change.entry !== undefined && change.entry.type !== 'dir') this.#files.add(path)
    return { change, path }
  }

  #requireTarget(change: ChangeRecord, path: string): void {
    const target = nameOf(change.entry ?? {}, 'linkname') ?? ''
    if (!this.#files.has(target))
      throw invalid(
        'LINK_TARGET_MISSING',
        { change, path },
        `the layer has no file ${quoted(target)} before it`,
      )
    this.#files.add(path)
  }
}

/**
 * Turns the events of a tar into entries of a tree.
 *
 * @module
 */

import fs from 'node:fs'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import {
  ALL,
  type Attributer,
  componentsOf,
  explained,
  hiddenBy,
  isAufs,
  MAX_NAME_BYTES,
  makeRoomAt,
  type NewFile,
  PathSet,
  quoted,
  removeLower,
  removeLowerIn,
  SeenPaths,
  type Warn,
} from '@pipelayer/rootfs'
import { closeFile, writeAll } from '@pipelayer/sys'
import type { ReadEntry, TarEvent } from '@pipelayer/tar'
import { makeDevice, makeHardlink, makeRoom, makeSymlink, makeWhiteout, type Spot } from './make.js'
import { FoldersToRemoveFrom, spotKey } from './remove.js'
import { differs, headerKey, Repeated } from './repeated.js'
import type { Selection } from './selection.js'
import type { Tree } from './tree.js'
import type { ApplyOptions, ApplyResult } from './types.js'
import { fitsQueue, type WriteQueue } from './write-queue.js'

interface OpenFile extends NewFile {
  readonly entry: ReadEntry
  /** Offset of the next byte in the file. */
  position: number
  hasHoles: boolean
  /** Writes and closes the file, where another thread does that. */
  readonly writes: WriteQueue | undefined
}

/** Unpacks one layer to disk. */
export class LayerUnpacker {
  readonly #tree: Tree
  readonly #attributer: Attributer
  readonly #warn: Warn | undefined
  readonly #lastCounts: boolean
  readonly #selection: Selection | undefined
  readonly #maxEntries: number
  readonly #writes: WriteQueue | undefined
  /** The entries that this layer has made, by {@link spotKey}. */
  readonly #made = new PathSet()
  readonly #removable: FoldersToRemoveFrom
  /**
   * The names that this layer has hidden. A repeated whiteout changes nothing, and searching a large directory for each
   * would take hours.
   */
  readonly #hidden = new PathSet()
  readonly #seen = new SeenPaths()
  readonly #hasWhiteouts: boolean
  #file: OpenFile | undefined
  #repeated: Repeated | undefined
  #entries = 0
  #skippedDevices = 0
  #entryName = ''
  /** Whether an entry has described the root. */
  hasRoot = false

  constructor(tree: Tree, attributer: Attributer, options: ApplyOptions) {
    const { onWarning, selection, rules = {} } = options
    const { repeated, whiteouts, maxEntries = Number.POSITIVE_INFINITY } = rules
    this.#selection = selection
    this.#maxEntries = maxEntries
    this.#tree = tree
    this.#attributer = attributer
    this.#removable = new FoldersToRemoveFrom(attributer, this.#made)
    this.#writes = attributer.hasLibc ? options.writes : undefined
    this.#warn = onWarning
    this.#lastCounts = repeated === 'last'
    this.#hasWhiteouts = whiteouts !== 'files'
  }

  /** @throws ToolError; its message names the entry */
  take(event: TarEvent): void {
    try {
      if (event.type === 'data') this.#write(event.bytes)
      else if (event.type === 'entry') this.#entry(event.entry)
      else if (event.type === 'end') this.#finish()
      else if (event.type === 'hole') this.#skip(event.size)
    } catch (error) {
      throw this.#explained(error)
    }
  }

  result(): ApplyResult {
    const { squashedOwners, skippedXattrs } = this.#attributer
    return { entries: this.#entries, skippedDevices: this.#skippedDevices, skippedXattrs, squashedOwners }
  }

  /** Closes all files and sets the times of directories. */
  close(): void {
    this.#repeated?.close()
    if (this.#file !== undefined) this.#close(this.#file)
    this.#file = undefined
    this.#tree.close()
  }

  #explained(error: unknown): unknown {
    const name = quoted(this.#entryName)
    if (!(error instanceof ToolError)) return systemError(error, `unpack entry ${name}`)
    return error.message.startsWith('entry ') ? error : explained(error, `entry ${name}`)
  }

  #entry(entry: ReadEntry): void {
    this.#entryName = entry.name
    if (++this.#entries > this.#maxEntries)
      throw new ToolError('TOO_MANY_ENTRIES', `the layer has more than ${this.#maxEntries} entries`)
    if (entry.name.length > MAX_NAME_BYTES)
      throw new ToolError('NAME_TOO_LONG', `its name has ${entry.name.length} bytes`)
    const components = componentsOf(entry.name)
    if (this.#selection === undefined) this.#at(components, entry)
    else
      for (const chosen of this.#selection.choose(components, entry))
        this.#at(chosen.components, chosen.entry)
  }

  #at(components: readonly string[], entry: ReadEntry): void {
    const name = components.at(-1)
    if (name === undefined) this.#root(entry)
    else if (this.#hasWhiteouts) this.#placeOrHide(components, name, entry)
    else this.#make(components.slice(0, -1), name, entry)
  }

  #placeOrHide(components: readonly string[], name: string, entry: ReadEntry): void {
    if (isAufs(components)) return
    const parents = components.slice(0, -1)
    const hidden = hiddenBy(parents, name)
    if (hidden === undefined) this.#make(parents, name, entry)
    else if (hidden === ALL) this.#opaque(parents)
    else this.#whiteout(parents, hidden)
  }

  /** A symlink in place of the root would lead everything after it outside (CVE-2021-29136). */
  #root(entry: ReadEntry): void {
    if (entry.type !== 'dir')
      throw new ToolError('ROOT_REPLACED', `it puts a ${entry.type} in place of the root`)
    const folder = this.#tree.enter([], 'make') ?? this.#tree.root
    this.#directoryAttributes(folder.at(), entry)
    this.hasRoot = true
    this.#tree.forgetInheritance()
    folder.keepTime()
  }

  #opaque(parents: readonly string[]): void {
    const folder = this.#tree.enter(parents, 'copy')
    if (folder === undefined || !this.#hidden.add(spotKey({ folder, name: '' }))) return
    if (this.#tree.form !== undefined) this.#tree.setOpaque(folder)
    else removeLowerIn(this.#removable, folder)
  }

  #whiteout(parents: readonly string[], hidden: string): void {
    const folder = this.#tree.enter(parents, 'copy')
    if (folder === undefined || !this.#hidden.add(spotKey({ folder, name: hidden }))) return
    if (this.#tree.form === undefined) removeLower(this.#removable, folder, hidden)
    else this.#hide({ folder, name: hidden })
  }

  /**
   * Hides a lower entry in the overlay form. Where this layer has an entry of that name, it hides a lower file by
   * itself; a directory has to be made opaque.
   */
  #hide(spot: Spot): void {
    const stat = spot.folder.lstat(spot.name)
    if (stat === undefined) {
      spot.folder.isTouched = true
      makeWhiteout(spot)
    } else if (stat.isDirectory()) this.#makeOpaque(spot)
  }

  #makeOpaque({ folder, name }: Spot): void {
    const inner = this.#tree.open(folder, name)
    try {
      this.#tree.setOpaque(inner)
    } finally {
      inner.close()
    }
  }

  #make(parents: readonly string[], name: string, entry: ReadEntry): void {
    if (entry.type === 'other') {
      this.#warn?.(
        `entry ${quoted(entry.name)} is left out: no file has its type ${JSON.stringify(entry.typeflag)}`,
      )
      return
    }
    const folder = this.#tree.enter(parents, 'make') ?? this.#tree.root
    const spot = { folder, name }
    this.#made.add(spotKey(spot))
    if (this.#isRepeated(parents, spot, entry)) return
    folder.isTouched = true
    if (entry.type === 'dir') this.#directory(spot, entry)
    else this.#single(spot, entry)
  }

  /**
   * Whether the layer has had this entry already, so that it is only compared. This goes by name: where symlinks lead
   * two names to one file, they are two entries, and the last one counts.
   */
  #isRepeated(parents: readonly string[], spot: Spot, entry: ReadEntry): boolean {
    if (this.#lastCounts) return false
    const seen = this.#seen.see([...parents, spot.name].join('/'), headerKey(entry))
    if (seen === 'other') throw differs()
    // A hard link that comes again is made again, to the same target.
    if (seen === 'new' || entry.type === 'dir' || entry.type === 'hardlink') return false
    this.#writes?.flush()
    this.#repeated = new Repeated(spot, entry)
    return true
  }

  #directory(spot: Spot, entry: ReadEntry): void {
    const path = spot.folder.at(spot.name)
    try {
      fs.mkdirSync(path, 0o700)
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
      this.#existing(spot)
    }
    this.#directoryAttributes(path, entry)
  }

  /**
   * Called where an entry exists in place of a directory: a directory is kept with its contents, anything else is
   * replaced by one.
   */
  #existing(spot: Spot): void {
    const path = spot.folder.at(spot.name)
    const stat = spot.folder.lstat(spot.name)
    this.#tree.forgetInheritance()
    if (stat === undefined || stat.isDirectory()) return
    const isWhiteout = this.#tree.chain.isWhiteout(path.toString('latin1'), stat)
    this.#clear(spot)
    fs.mkdirSync(path, 0o700)
    if (isWhiteout) this.#makeOpaque(spot)
  }

  #directoryAttributes(path: Buffer, entry: ReadEntry): void {
    this.#attributer.clearXattrs(path)
    this.#attributer.set(path, 'other', entry)
  }

  #single(spot: Spot, entry: ReadEntry): void {
    const path = spot.folder.at(spot.name)
    if (entry.type === 'hardlink') {
      const context = {
        tree: this.#tree,
        attributer: this.#attributer,
        clear: () => this.#clear(spot),
      }
      const target = componentsOf(entry.linkname)
      makeHardlink(spot, this.#selection?.target(target) ?? target, context)
      return
    }
    switch (entry.type) {
      case 'file':
        this.#file = this.#create(spot, entry)
        break
      case 'symlink':
        makeRoom(
          () => makeSymlink(spot, entry.linkname),
          () => this.#clear(spot),
        )
        this.#attributer.set(path, 'symlink', entry)
        break
      case 'char':
      case 'block':
      case 'fifo':
        if (spot.folder.lstat(spot.name) !== undefined) this.#clear(spot)
        this.#device(spot, { ...entry, type: entry.type })
    }
  }

  #create(spot: Spot, entry: ReadEntry): OpenFile {
    const { folder, name } = spot
    const mode = this.#attributer.modeAtBirth(entry.mode)
    const fd = makeRoom(
      () => folder.create(name, mode),
      () => this.#clear(spot),
    )
    const writes = fitsQueue(entry) ? this.#writes : undefined
    const isNeutral = folder.isNeutral(fd)
    const file = { fd, path: folder.at(name), mode, isNeutral, entry, position: 0, hasHoles: false, writes }
    if (writes !== undefined) this.#attributer.ownNew(file, entry)
    return file
  }

  #device(spot: Spot, entry: ReadEntry & { type: 'char' | 'block' | 'fifo' }): void {
    // In the overlay form such a device would be a whiteout, and in a layer whiteouts are names.
    const isWhiteout = entry.type === 'char' && entry.devmajor === 0 && entry.devminor === 0
    if ((isWhiteout && this.#tree.form !== undefined) || !makeDevice(spot, entry)) this.#skippedDevices++
    else this.#attributer.set(spot.folder.at(spot.name), 'other', entry)
  }

  #write(bytes: Buffer): void {
    this.#repeated?.compare(bytes)
    const file = this.#file
    if (file === undefined) return
    if (file.writes !== undefined) file.writes.write(file.fd, bytes, file.entry.name)
    else if (this.#attributer.hasLibc && !file.hasHoles) writeAll(file.fd, bytes)
    else writeAt(file, bytes)
    file.position += bytes.length
  }

  #skip(size: number): void {
    this.#repeated?.skip()
    if (this.#file === undefined) return
    this.#file.position += size
    this.#file.hasHoles = true
  }

  #finish(): void {
    this.#repeated?.close()
    this.#repeated = undefined
    const file = this.#file
    if (file === undefined) return
    this.#file = undefined
    try {
      if (file.writes !== undefined) return
      // A hole at the end was skipped, not written.
      if (file.hasHoles) fs.ftruncateSync(file.fd, file.entry.size)
      this.#attributer.setNew(file, file.entry)
    } finally {
      this.#close(file)
    }
  }

  #close({ fd, writes, entry }: OpenFile): void {
    if (writes !== undefined) writes.finish(fd, entry.mtime, entry.name)
    else if (this.#attributer.hasLibc) closeFile(fd)
    else fs.closeSync(fd)
  }

  #clear({ folder, name }: Spot): void {
    folder.isTouched = true
    makeRoomAt(this.#removable, folder, name)
  }
}

function writeAt({ fd, position }: OpenFile, bytes: Buffer): void {
  for (let done = 0; done < bytes.length; ) {
    done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done)
  }
}

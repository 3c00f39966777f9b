import fs from 'node:fs'
import { isOrphan, type MountRow, mountTable, otherProcesses, usesMount } from '@pipelayer/sys'
import type { MountNote } from './mount-note.js'

/**
 * How it stands with a mount. `mounting`: its process is about to mount it. `mounted`: it is seen here. `private`: only
 * the command of its process sees it. `elsewhere`: it is not seen here, but may be in use, in another mount namespace
 * or, after a lazy unmount, by processes. `gone`: nobody can use it any more.
 */
export type MountState = 'mounting' | 'mounted' | 'private' | 'elsewhere' | 'gone'

/** What this process sees of the mounts of the machine, at one moment. */
export class MountSight {
  readonly boot: string
  readonly namespace: string
  /** The mounts of this namespace. */
  readonly table: readonly MountRow[]
  #others: { readonly namespaces: ReadonlySet<string>; readonly devices: ReadonlySet<string> } | undefined

  constructor() {
    this.boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    this.namespace = fs.readlinkSync('/proc/self/ns/mnt')
    this.table = mountTable()
  }

  /** The mount that covers all others on a target. */
  top(target: string): MountRow | undefined {
    return this.table.findLast(row => row.target === target)
  }

  /** The row of a mount that is seen here. */
  rowOf({ row, dirs }: MountNote): MountRow | undefined {
    // A process that was killed right after it had mounted could not write down what the table says.
    if (row === undefined)
      return this.table.findLast(each => each.target === dirs.target && each.type === 'overlay')
    // Both numbers may be given anew to another mount, so the directories in its options are compared as well.
    return this.table.find(
      each => each.id === row.id && each.device === row.device && each.options === row.options,
    )
  }

  /** @param name - of the folder of the note, which tells the process that made it */
  stateOf(name: string, note: MountNote): MountState {
    if (note.maker.boot !== this.boot) return 'gone'
    if (note.maker.pid !== undefined) return isOrphan(name) ? 'gone' : 'private'
    if (note.row === undefined && !isOrphan(name)) return 'mounting'
    if (note.maker.namespace === this.namespace && this.rowOf(note) !== undefined) return 'mounted'
    return this.#isElsewhere(name, note) ? 'elsewhere' : 'gone'
  }

  // The processes of another container are not seen here. Nothing tells then whether a mount that was made there is still
  // there, so it counts as used. The processes of this pid namespace are seen, and with them what they have mounted.
  #isElsewhere(name: string, { row, maker: { namespace } }: MountNote): boolean {
    this.#others ??= otherNamespaces(this.namespace)
    if (row === undefined) return false
    if (this.#others.devices.has(row.device)) return true
    const isSeen = namespace === this.namespace || this.#others.namespaces.has(namespace)
    if (!isSeen && !isOrphan(name)) return true
    return otherProcesses().some(pid => usesMount(pid, row))
  }
}

function otherNamespaces(own: string): { namespaces: Set<string>; devices: Set<string> } {
  const namespaces = new Set<string>()
  const devices = new Set<string>()
  for (const pid of otherProcesses()) {
    const namespace = namespaceOf(pid)
    if (namespace === undefined || namespace === own || namespaces.has(namespace)) continue
    namespaces.add(namespace)
    for (const { type, device } of mountTable(pid)) if (type === 'overlay') devices.add(device)
  }
  return { namespaces, devices }
}

function namespaceOf(pid: number): string | undefined {
  try {
    return fs.readlinkSync(`/proc/${pid}/ns/mnt`)
  } catch {
    return undefined
  }
}

/**
 * What is mounted, as a process sees it.
 *
 * @module
 */
import fs from 'node:fs'

/** A mount of a mount table. */
export interface MountRow {
  /** The number of the mount, which another mount may get after this one has gone. */
  readonly id: number
  /** `MAJOR:MINOR` of the file system. */
  readonly device: string
  readonly target: string
  /** The type of the file system, such as `overlay`. */
  readonly type: string
  /** The options of the file system, as the kernel shows them. */
  readonly options: string
}

/**
 * The mounts that a process sees, in the order in which they were mounted: of several on one target the last one is
 * seen. Empty where the process is gone, or may not be looked into. Spec: proc_pid_mountinfo(5).
 */
export function mountTable(pid: number | 'self' = 'self'): MountRow[] {
  let text: string
  try {
    text = fs.readFileSync(`/proc/${pid}/mountinfo`, 'latin1')
  } catch {
    return []
  }
  return text.split('\n').flatMap(rowOf)
}

// 36 35 98:0 /root /target rw,noatime shared:1 - ext3 /dev/sda1 rw,errors=continue: the fields before the dash may be
// more or fewer, those after it are always three.
function rowOf(line: string): MountRow[] {
  const words = line.split(' ')
  const dash = words.indexOf('-', 6)
  const [id, , device = '', , target = ''] = words
  const [type = '', , options = ''] = words.slice(dash + 1)
  if (dash < 0) return []
  return [{ id: Number(id), device, target: unescaped(target), type, options: unescaped(options) }]
}

// The kernel writes a blank, a tab, a newline and a backslash as \040 and so on.
function unescaped(text: string): string {
  const bytes = text.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  )
  return Buffer.from(bytes, 'latin1').toString()
}

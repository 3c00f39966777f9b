import fs from 'node:fs'

/** Marks a file or a folder of a store as used now, so that garbage collection keeps it. */
export function touch(file: string): void {
  const now = new Date()
  try {
    fs.utimesSync(file, now, now)
  } catch {
    // There is no garbage collection in a read-only store; elsewhere, what is removed too soon costs time and nothing else.
  }
}

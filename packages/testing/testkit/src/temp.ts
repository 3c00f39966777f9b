import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { mountsBelow } from './mounts.js'

/** What the kit needs of a test: a hook that runs when it ends. tap's `t` is one. */
export interface Scope {
  teardown(action: () => void | Promise<void>): void
}

/**
 * Makes an empty folder that goes when the test ends, with all below it.
 * Mounts that a failed test left there are taken down first, so that nothing is deleted through one.
 */
export function tempDir(t: Scope, prefix = 'test'): string {
  const dir = fs.mkdtempSync(path.join(fs.realpathSync(os.tmpdir()), `pipelayer-${prefix}-`))
  t.teardown(() => removeTree(dir))
  return dir
}

function removeTree(dir: string): void {
  for (const target of mountsBelow(dir).reverse()) spawnSync('umount', ['-l', target])
  if (mountsBelow(dir).length > 0)
    throw new Error(`mounts are left below ${dir}: ${mountsBelow(dir).join(' ')}`)
  fs.chmodSync(dir, 0o700)
  const { status } = spawnSync('rm', ['-rf', dir])
  if (status === 0) return
  // A tree may hold directories that its owner cannot write: not a matter for root, who gets here no more.
  spawnSync('chmod', ['-R', 'u+rwX', dir])
  fs.rmSync(dir, { recursive: true, force: true })
}

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { mountsBelow } from './mounts.js'

/** The part of a test that the kit uses: a hook that runs at its end. tap's `t` is one. */
export interface Scope {
  teardown(action: () => void | Promise<void>): void
}

/**
 * Makes an empty folder that is removed with all below it when the test ends. Mounts that a failed test left there are
 * taken down first, so that nothing is deleted through one.
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
  // The tree may have directories that their owner cannot write. Root does not get here, since that does not stop root.
  spawnSync('chmod', ['-R', 'u+rwX', dir])
  fs.rmSync(dir, { recursive: true, force: true })
}

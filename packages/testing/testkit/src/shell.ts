import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'

/** Runs a shell script in a folder, made where it is missing. */
export function shell(dir: string, script: string): void {
  fs.mkdirSync(dir, { recursive: true })
  const { status, stderr } = spawnSync('bash', ['-euc', script], { cwd: dir, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${script}: ${stderr}`)
}

/** Makes folders and returns their paths. */
export function folders<const N extends readonly string[]>(
  dir: string,
  ...names: N
): { [K in keyof N]: string } {
  return names.map(name => {
    const made = path.join(dir, name)
    fs.mkdirSync(made, { recursive: true })
    return made
  }) as { [K in keyof N]: string }
}

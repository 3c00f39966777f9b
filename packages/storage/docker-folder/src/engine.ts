/**
 * Finds the engine that works on a folder, so that nobody else writes there meanwhile.
 *
 * An engine keeps its databases open under locks, which are seen from other containers too. While it starts it has no
 * locks yet, but its command line says which folder it will take.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { errnoOf, ToolError } from '@pipelayer/errors'
import { isObject } from '@pipelayer/oci'
import { flock, openRegular } from '@pipelayer/sys'
import { ifThere, namesIn } from './files.js'

/** Folders with the databases of an engine, from 20.10 to 28. */
const DATABASES = ['network/files', 'volumes', 'buildkit']
const DEFAULT_ROOT = '/var/lib/docker'
const DEFAULT_CONFIG = '/etc/docker/daemon.json'

/**
 * Makes sure that no engine works on a folder, and that none begins to until the result is called: an engine that
 * starts waits for its databases for seconds, so whoever calls this must be done much earlier.
 *
 * @returns releases the locks
 * @throws ToolError `ENGINE_RUNNING`, with its pid if that can be found
 */
export function keepEnginesOut(root: string): () => void {
  const locked: number[] = []
  const release = (): void => {
    for (const fd of locked.splice(0)) fs.closeSync(fd)
  }
  try {
    for (const file of databasesOf(root)) {
      const fd = ifThere(file, () => openRegular(file, { noFollow: true }).fd)
      if (fd === undefined) continue
      locked.push(fd)
      if (!flock(fd)) throw running(root, holderOf(fd))
    }
    const pid = engineOf(root)
    if (pid !== undefined) throw running(root, pid)
    return release
  } catch (error) {
    release()
    throw error
  }
}

function running(root: string, pid: number | undefined): ToolError {
  const who = pid === undefined ? 'one that this process cannot see' : `pid ${pid}`
  const why = `a Docker engine works on it (${who})`
  return new ToolError(
    'ENGINE_RUNNING',
    `cannot write into "${root}": ${why}: stop it first, or give it the image as an archive, by docker load`,
  )
}

function databasesOf(root: string): string[] {
  return DATABASES.map(name => path.join(root, name)).flatMap(folder =>
    namesIn(folder)
      .filter(name => name.endsWith('.db'))
      .map(name => path.join(folder, name)),
  )
}

/** The process that holds a lock on an open file. Spec: proc_locks(5). */
function holderOf(fd: number): number | undefined {
  const { ino } = fs.fstatSync(fd, { bigint: true })
  const locks = ifThere('/proc/locks', () => fs.readFileSync('/proc/locks', 'latin1')) ?? ''
  // 1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
  const pattern = new RegExp(`FLOCK\\s+\\w+\\s+\\w+\\s+(\\d+)\\s+[0-9a-f]+:[0-9a-f]+:${ino}\\s`)
  const pid = Number(pattern.exec(locks)?.[1] ?? 0)
  return pid > 0 ? pid : undefined
}

/** The dockerd whose data root is this folder. */
function engineOf(root: string): number | undefined {
  const own = identityOf(root)
  const pids = namesIn('/proc').filter(name => /^\d+$/.test(name))
  const found = pids.find(pid => {
    if (textOf(`/proc/${pid}/comm`).trim() !== 'dockerd') return false
    return own !== undefined && identityOf(dataRootOf(pid)) === own
  })
  return found === undefined ? undefined : Number(found)
}

/** The data root of a dockerd, as a path of this process: the engine may have another root or working folder. */
function dataRootOf(pid: string): string {
  const args = textOf(`/proc/${pid}/cmdline`).split('\0')
  const inside = (file: string): string =>
    file.startsWith('/') ? `/proc/${pid}/root${file}` : `/proc/${pid}/cwd/${file}`
  const given = optionOf(args, ['--data-root', '-g', '--graph'])
  if (given !== undefined) return inside(given)
  const config = parsed(textOf(inside(optionOf(args, ['--config-file']) ?? DEFAULT_CONFIG)))
  const configured = config['data-root'] ?? config.graph
  return inside(typeof configured === 'string' ? configured : DEFAULT_ROOT)
}

function optionOf(args: readonly string[], names: readonly string[]): string | undefined {
  for (const [index, arg] of args.entries()) {
    if (names.includes(arg)) return args[index + 1]
    const name = names.find(one => arg.startsWith(`${one}=`))
    if (name !== undefined) return arg.slice(name.length + 1)
  }
  return undefined
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) ? value : {}
  } catch {
    return {}
  }
}

/** Tells folders apart, whatever the paths that lead to them; undefined for one that is not there. */
function identityOf(folder: string): string | undefined {
  const stat = quiet(() => fs.statSync(folder, { bigint: true }))
  return stat && `${stat.dev}:${stat.ino}`
}

function textOf(file: string): string {
  return quiet(() => fs.readFileSync(file, 'latin1')) ?? ''
}

// A process may end at any time, and those of others may be closed to us.
function quiet<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}

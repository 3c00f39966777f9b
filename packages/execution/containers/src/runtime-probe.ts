import fs from 'node:fs'
import path from 'node:path'
import { messageOf, ToolError } from '@pipelayer/errors'
import { MS, mount } from '@pipelayer/sys'
import { CHROOT_TOOLS, type ChrootTools } from './chroot.js'
import { type ContainerPlaces, type Runtime, type RuntimeName, runContainer } from './container.js'
import { findProgram } from './find-program.js'
import { unmount } from './unmount.js'

export interface ProbeOptions {
  readonly wanted: RuntimeName
  readonly searchPath: string | undefined
  readonly inUserNamespace: boolean
  readonly places: Omit<ContainerPlaces, 'output'>
  /** A directory of ours, on no particular file system. */
  readonly work: string
}

/** The runtime that was found, and why a better one was not taken. */
export interface Probed {
  readonly runtime: Runtime
  readonly refused: readonly string[]
}

/**
 * Finds a runtime that works here, by running `true` with each one on the host's own programs. That a runtime is
 * installed is not enough: a crun may not know the machine's cgroups, and a container may lack the rights to run
 * containers.
 *
 * @throws {ToolError} `NO_RUNTIME`
 */
export async function probeRuntime(options: ProbeOptions): Promise<Probed> {
  const refused: string[] = []
  for (const name of ['runc', 'crun'] as const) {
    if (options.wanted !== 'auto' && options.wanted !== name) continue
    const program = findProgram(name, options.searchPath)
    const runtime = program === undefined ? undefined : ({ kind: 'oci', program, name } as const)
    const problem = runtime === undefined ? 'not installed' : await problemOf(runtime, options)
    if (runtime !== undefined && problem === undefined) return { runtime, refused }
    refused.push(`${name}: ${problem}`)
  }
  if (options.wanted === 'auto' || options.wanted === 'chroot') {
    const tools = chrootTools(options.searchPath)
    if (typeof tools !== 'string') return { runtime: { kind: 'chroot', tools }, refused }
    refused.push(`chroot: ${tools} is not installed`)
  }
  throw new ToolError('NO_RUNTIME', `nothing here can run a step: ${refused.join('; ')}`)
}

function chrootTools(searchPath: string | undefined): ChrootTools | string {
  const found = CHROOT_TOOLS.map(name => [name, findProgram(name, searchPath)] as const)
  const missing = found.find(([, file]) => file === undefined)
  return missing ? missing[0] : (Object.fromEntries(found) as unknown as ChrootTools)
}

async function problemOf(
  runtime: Runtime & { kind: 'oci' },
  options: ProbeOptions,
): Promise<string | undefined> {
  const rootfs = path.join(options.work, 'host')
  const log = path.join(options.work, 'probe.log')
  const bound = hostPrograms(rootfs)
  try {
    const request = {
      process: {
        args: ['true'],
        env: ['PATH=/usr/bin:/bin'],
        cwd: '/',
        user: { uid: 0, gid: 0, groups: [], home: '/' },
      },
      rootfs,
      network: 'host' as const,
      caller: { inUserNamespace: options.inUserNamespace },
    }
    const ended = await runContainer(runtime, request, { ...options.places, output: { log } })
    return ended.status === 0 ? undefined : (ended.problem ?? lastLine(log))
  } catch (error) {
    return messageOf(error)
  } finally {
    for (const target of bound) unmount(target)
  }
}

/** Folders of programs and their libraries. Symlinks among them stay symlinks. */
const PROGRAM_DIRS = ['usr', 'bin', 'lib', 'lib32', 'lib64', 'libx32', 'sbin', 'nix', 'gnu']

// Makes a tree that shows the host's programs and nothing else of the host. Returns the paths to unmount.
function hostPrograms(rootfs: string): string[] {
  const bound: string[] = []
  fs.rmSync(rootfs, { recursive: true, force: true })
  fs.mkdirSync(rootfs, { recursive: true })
  for (const name of PROGRAM_DIRS) {
    const [from, to] = [`/${name}`, path.join(rootfs, name)]
    const stat = fs.lstatSync(from, { throwIfNoEntry: false })
    if (stat?.isSymbolicLink()) fs.symlinkSync(fs.readlinkSync(from), to)
    if (!stat?.isDirectory()) continue
    fs.mkdirSync(to)
    mount(from, to, null, { flags: MS.BIND | MS.REC })
    bound.push(to)
  }
  return bound
}

function lastLine(log: string): string {
  const lines = fs.existsSync(log) ? fs.readFileSync(log, 'utf8').trim().split('\n') : []
  const last = lines.at(-1) || 'it fails'
  return (/msg="((?:[^"\\]|\\.)*)"/.exec(last)?.[1] ?? last).replaceAll('\\"', '"').slice(0, 300)
}

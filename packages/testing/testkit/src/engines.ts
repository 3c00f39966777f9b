import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { waitUntil } from './processes.js'
import { type Scope, tempDir } from './temp.js'

/** A Docker engine of this test alone. */
export interface DockerEngine {
  /** Its address, in the form of `DOCKER_HOST`. */
  readonly host: string
  /** Its data folder. */
  readonly root: string
  readonly pid: number
  /** Stops it, and returns when it has ended. */
  stop(): Promise<void>
}

export interface DockerOptions {
  /** A folder of the test; the engine's data lies in `data` there. A new one unless given. */
  readonly dir?: string
  /** The root folder of another system, whose engine is started. The folder of the test is `/host` there. */
  readonly system?: string
}

/** Starts dockerd without network on a socket and folders of its own; it stops with the test. */
export async function startDocker(t: Scope, options: DockerOptions = {}): Promise<DockerEngine> {
  const { dir = tempDir(t, 'docker'), system } = options
  const log = fs.openSync(path.join(dir, 'log'), 'w')
  const inside = system === undefined ? dir : '/host'
  const at = (name: string): string => path.join(inside, name)
  const folders = ['--data-root', at('data'), '--exec-root', at('exec'), '--pidfile', at('pid')]
  const flags = [
    '--bridge=none',
    '--iptables=false',
    '--ip6tables=false',
    '-H',
    `unix://${at('docker.sock')}`,
  ]
  const [program = '', ...args] = inSystem(['dockerd', ...folders, ...flags], { system, dir })
  const child = spawn(program, args, { stdio: ['ignore', log, log] })
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  const stop = (): Promise<void> => {
    child.kill('SIGTERM')
    return ended
  }
  t.teardown(stop)
  const host = `unix://${path.join(dir, 'docker.sock')}`
  const answers = (): boolean =>
    spawnSync('docker', ['-H', host, 'version'], { stdio: 'ignore' }).status === 0
  await waitUntil('dockerd answers', () => child.exitCode !== null || answers(), 60_000)
  if (child.exitCode !== null)
    throw new Error(`dockerd ended: ${fs.readFileSync(path.join(dir, 'log'), 'utf8').slice(-2000)}`)
  return { host, root: path.join(dir, 'data'), pid: child.pid ?? 0, stop }
}

const ENTER = `set -e
mount --rbind "$0" /mnt
cd /mnt
mkdir -p proc dev sys host .old
mount -t proc proc proc
mount --rbind /dev dev
mount --rbind /sys sys
mount --rbind "$1" host
shift
pivot_root . .old
cd /
umount -l /.old
exec "$@"`

/**
 * A command in the system below another root folder, by pivot_root in a mount namespace of its own, so that runc works
 * there. Processes and network are those of this system, and `dir` is `/host`.
 */
export function inSystem(
  command: readonly string[],
  { system, dir }: { readonly system: string | undefined; readonly dir: string },
): string[] {
  if (system === undefined) return [...command]
  return ['unshare', '-m', '--propagation', 'private', 'bash', '-c', ENTER, system, dir, ...command]
}

/** podman with a storage of its own below a folder, as the first words of a command. */
export function podman(dir: string): string {
  return `podman --runtime runc --cgroup-manager cgroupfs ${storage(dir)}`
}

/**
 * Options for `podman run` and `podman create`: podman's default limits are higher than those that a container inside a
 * container may set.
 */
export const PODMAN_LIMITS = '--ulimit nofile=1024:1024 --ulimit nproc=1024:1024'

/** buildah with the same storage. */
export function buildah(dir: string): string {
  return `buildah ${storage(dir)}`
}

function storage(dir: string): string {
  return `--root ${path.join(dir, 'storage')} --runroot ${path.join(dir, 'run')} --storage-driver overlay`
}

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
}

/** Starts dockerd without network on a socket and folders of its own; it stops with the test. */
export async function startDocker(t: Scope): Promise<DockerEngine> {
  const dir = tempDir(t, 'docker')
  const socket = path.join(dir, 'docker.sock')
  const root = path.join(dir, 'data')
  const log = fs.openSync(path.join(dir, 'log'), 'w')
  const folders = [
    '--data-root',
    root,
    '--exec-root',
    path.join(dir, 'exec'),
    '--pidfile',
    path.join(dir, 'pid'),
  ]
  const flags = ['--bridge=none', '--iptables=false', '--ip6tables=false', '-H', `unix://${socket}`]
  const child = spawn('dockerd', [...folders, ...flags], { stdio: ['ignore', log, log] })
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  t.teardown(() => {
    child.kill('SIGTERM')
    return ended
  })
  const host = `unix://${socket}`
  const answers = (): boolean =>
    spawnSync('docker', ['-H', host, 'version'], { stdio: 'ignore' }).status === 0
  await waitUntil('dockerd answers', () => child.exitCode !== null || answers(), 60_000)
  if (child.exitCode !== null)
    throw new Error(`dockerd ended: ${fs.readFileSync(path.join(dir, 'log'), 'utf8').slice(-2000)}`)
  return { host, root }
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

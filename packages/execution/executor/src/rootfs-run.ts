/**
 * RUN in a root filesystem that may not be a whole system: a cluster image, for example, has programs in `bin/` and no
 * shell.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'
import { DEFAULT_PATH, type Mount, runContainer, runProgram } from '@pipelayer/containers'
import { Rooted } from '@pipelayer/rootfs'
import type { RunAction } from '@pipelayer/steps'
import type { ExecutorSetup } from './executor-setup.js'
import { failed, HOSTNAME, runStep } from './run-step.js'

/** Folders of this machine that a step can read and not change. */
const SYSTEM = ['usr', 'bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32', 'etc', 'opt', 'nix']
/** The path of the root filesystem for a step that runs with the programs of this machine. */
const ROOTFS = '/rootfs'

/**
 * Runs a command in a root filesystem. If that has a shell, the command runs as in any image. Otherwise it runs with
 * the programs of this machine, which it can read and not write; its working directory is the root filesystem, whose
 * `bin` is last on PATH. With `programs: 'host'` the command always runs with the programs of this machine.
 *
 * @throws {ToolError} `RUN_FAILED`, and those of {@link runStep}
 */
export async function runInRootfs(setup: ExecutorSetup, action: RunAction, target: string): Promise<void> {
  if (action.programs === 'host') return await onHost(setup, action, target)
  if (hasShell(target)) return await runStep(setup, action, target)
  await beside(setup, action, target)
}

function hasShell(target: string): boolean {
  const root = Rooted.open(target)
  try {
    const stat = root.lstat(root.resolve('bin/sh'))
    return stat?.isFile() === true && (Number(stat.mode) & 0o111) !== 0
  } finally {
    root.close()
  }
}

async function onHost(setup: ExecutorSetup, action: RunAction, target: string): Promise<void> {
  const [program = '', ...args] = action.argv
  const PATH = `${setup.env.PATH ?? DEFAULT_PATH}:${target}/bin`
  const env = { ...setup.env, PATH, ...Object.fromEntries(action.env) }
  const ended = await runProgram({ program, args, env, cwd: target }, setup.outputOf(action.place ?? 'RUN'))
  if (ended.status !== 0 || ended.signal !== undefined) throw failed(ended, setup.work)
}

async function beside(setup: ExecutorSetup, action: RunAction, target: string): Promise<void> {
  const root = setup.newDir('system')
  try {
    const mounts = [...systemMounts(root), bind(ROOTFS, target, ['rw'])]
    for (const dir of ['proc', 'dev', 'sys', 'tmp', 'run', 'var/tmp', 'root', ROOTFS])
      fs.mkdirSync(path.join(root, dir), { recursive: true })
    fs.chmodSync(root, 0o755)
    copyResolver(root)
    const path_ = `${DEFAULT_PATH}:${ROOTFS}/bin`
    const env = new Map([['PATH', path_], ['HOME', '/root'], ...action.env])
    const ended = await runContainer(
      await setup.runtime(),
      {
        process: {
          args: action.argv,
          env: [...env].map(([name, value]) => `${name}=${value}`),
          cwd: ROOTFS,
          user: { uid: 0, gid: 0, groups: [], home: '/root' },
        },
        rootfs: root,
        network: action.network,
        mounts,
        hostname: HOSTNAME,
        caller: { inUserNamespace: setup.inUserNamespace, ttyGroup: setup.ttyGroup },
      },
      { ...setup.places, output: setup.outputOf(action.place ?? 'RUN') },
    )
    if (ended.status !== 0 || ended.signal !== undefined) throw failed(ended, setup.work)
  } finally {
    fs.rmSync(root, { recursive: true, force: true })
  }
}

function systemMounts(root: string): Mount[] {
  return SYSTEM.flatMap(name => {
    const source = `/${name}`
    const stat = fs.lstatSync(source, { throwIfNoEntry: false })
    if (stat === undefined) return []
    if (stat.isSymbolicLink()) {
      fs.symlinkSync(fs.readlinkSync(source), path.join(root, name))
      return []
    }
    fs.mkdirSync(path.join(root, name))
    return [bind(source, source, ['ro', 'nosuid', 'nodev'])]
  })
}

function bind(destination: string, source: string, options: readonly string[]): Mount {
  return { destination, type: 'bind', source, options: ['bind', ...options] }
}

/** On many machines /etc/resolv.conf is a symlink into /run, which a step does not see. */
function copyResolver(root: string): void {
  const file = '/etc/resolv.conf'
  if (fs.lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() !== true || !fs.existsSync(file)) return
  const real = fs.realpathSync(file)
  if (!real.startsWith('/run/')) return
  fs.mkdirSync(path.join(root, path.dirname(real)), { recursive: true })
  fs.copyFileSync(real, path.join(root, real))
}

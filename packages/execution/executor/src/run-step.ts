import fs from 'node:fs'
import path from 'node:path'
import {
  accountsIn,
  DEFAULT_PATH,
  type Ended,
  heldCapabilities,
  holdsID,
  type Identity,
  type Mount,
  placeMounts,
  processIdentity,
  RANGES,
  resolveCwd,
  runContainer,
  STANDARD_MOUNTS,
  Stubs,
} from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import type { IdMap } from '@pipelayer/records'
import { Rooted } from '@pipelayer/rootfs'
import { type RunAction, SCRIPT_DIR } from '@pipelayer/steps'
import { Copier } from './copier.js'
import type { ExecutorSetup } from './executor-setup.js'
import { inlineBytes } from './inline-bytes.js'
import { prepareMounts } from './step-mounts.js'

/** BuildKit's host name, so that a step which writes the host name into a file gives the same file. */
export const HOSTNAME = 'buildkitsandbox'
const HOSTS = `127.0.0.1\tlocalhost ${HOSTNAME}\n::1\tlocalhost ip6-localhost ip6-loopback\n`
const READ_ONLY = ['bind', 'ro', 'nosuid', 'nodev']

/**
 * Runs a command in a merged tree.
 *
 * @throws {ToolError} `RUN_FAILED` if its exit status is not 0; `USER_UNKNOWN`, `OWNER_NOT_MAPPED`, `WORKDIR_INVALID`,
 * `NO_RUNTIME`
 */
export async function runStep(setup: ExecutorSetup, action: RunAction, target: string): Promise<void> {
  const root = Rooted.open(target)
  const stubs = new Stubs(root)
  const prepared = await prepareMounts(setup, action.mounts)
  try {
    for (const target of STANDARD_MOUNTS) stubs.addStandard(target.slice(1))
    const user = processIdentity(action.user, accountsIn(root))
    checkMapped(user, setup.ids)
    makeCwd(root, action.cwd, setup)
    const own = [...hostFiles(setup), ...(await script(setup, action))]
    const placed = [own, prepared.mounts].flatMap(mounts => placeMounts(mounts, root, stubs))
    const ended = await runContainer(
      await setup.runtime(),
      {
        process: { args: action.argv, env: envOf(action, user, prepared.env), cwd: action.cwd, user },
        rootfs: target,
        network: action.network,
        ...(action.insecure ? { insecure: { capabilities: ownCapabilities() } } : {}),
        mounts: placed,
        hostname: HOSTNAME,
        caller: { inUserNamespace: setup.inUserNamespace, ttyGroup: setup.ttyGroup },
      },
      { ...setup.places, output: setup.outputOf(action.place ?? 'RUN') },
    )
    if (ended.status !== 0 || ended.signal !== undefined) throw failed(ended, setup.work)
  } finally {
    stubs.remove()
    prepared.close()
    root.close()
  }
}

function ownCapabilities(): string[] {
  return heldCapabilities(fs.readFileSync('/proc/self/status', 'utf8'))
}

/** Without this check, a runtime would only say that an argument is invalid. */
function checkMapped({ uid, gid, groups }: Identity, ids: IdMap): void {
  const missing = holdsID(ids.uid, uid) ? [gid, ...groups].find(id => !holdsID(ids.gid, id)) : uid
  if (missing !== undefined)
    throw new ToolError(
      'OWNER_NOT_MAPPED',
      `cannot run as ${uid}:${gid}: id ${missing} does not exist here; ${RANGES}`,
    )
}

/** If a command fails with less free space than this, in bytes, the full disk is most likely the reason. */
const FULL_BYTES = 1024 * 1024

/**
 * The error for a command that failed. The caller adds which step it was.
 *
 * @param work - a directory on the file system that the command wrote to
 */
export function failed({ status, signal, problem }: Ended, work: string): ToolError {
  const number = status - 128
  const how =
    problem !== undefined
      ? `cannot start: ${problem}`
      : signal !== undefined
        ? `was killed by ${signal}`
        : number > 0 && number < 65
          ? `ended with status ${status} (signal ${number})`
          : `ended with status ${status}`
  const { bavail, bsize, blocks } = fs.statfsSync(work)
  // File systems that do not report their free space report 0 blocks.
  if (blocks === 0 || bavail * bsize >= FULL_BYTES) return new ToolError('RUN_FAILED', how)
  return new ToolError('RUN_FAILED', `${how}; the disk of the store is full`, { status: 75 })
}

function makeCwd(root: Rooted, cwd: string, setup: ExecutorSetup): void {
  const copier = new Copier(root, { timeNs: BigInt(Date.now()) * 1_000_000n, onWarning: setup.warn })
  try {
    copier.makeDirs(resolveCwd(root, cwd))
    copier.finish()
  } finally {
    copier.close()
  }
}

function hostFiles(setup: ExecutorSetup): Mount[] {
  const resolv = path.join(setup.memory, 'resolv.conf')
  const hosts = path.join(setup.memory, 'hosts')
  fs.writeFileSync(resolv, fs.existsSync('/etc/resolv.conf') ? fs.readFileSync('/etc/resolv.conf') : '')
  fs.writeFileSync(hosts, HOSTS)
  return [
    { destination: '/etc/resolv.conf', type: 'bind', source: resolv, options: READ_ONLY },
    { destination: '/etc/hosts', type: 'bind', source: hosts, options: READ_ONLY },
  ]
}

async function script(setup: ExecutorSetup, action: RunAction): Promise<Mount[]> {
  if (action.script === undefined) return []
  // Steps of several stages run at the same time, so each gets a folder of its own.
  const dir = setup.newSecretFile()
  fs.mkdirSync(dir)
  fs.chmodSync(dir, 0o755)
  const name = path.basename(action.script.name)
  await fs.promises.writeFile(path.join(dir, name), inlineBytes(action.script), { mode: 0o755 })
  return [{ destination: SCRIPT_DIR, type: 'bind', source: dir, options: READ_ONLY }]
}

function envOf(action: RunAction, user: Identity, secrets: readonly (readonly [string, string])[]): string[] {
  const env = new Map([['PATH', DEFAULT_PATH], ['HOME', user.home], ...action.env, ...secrets])
  return [...env].map(([name, value]) => `${name}=${value}`)
}

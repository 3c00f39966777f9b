import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { accountsIn, ownerIdentity, unmount } from '@pipelayer/containers'
import { attempt, errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { cleanName, Rooted } from '@pipelayer/rootfs'
import { contextDigest, contextState } from '@pipelayer/sources'
import {
  type Action,
  type SourceRoot,
  STEP_NOTE,
  type StepNote,
  type StepRequest,
  TREE,
  type TransferAction,
  UPPER,
  type WorkdirAction,
} from '@pipelayer/steps'
import { syncfs } from '@pipelayer/sys'
import { Copier } from './copier.js'
import { type ExecutorSetup, overlayLost } from './executor-setup.js'
import { withSource } from './open-source.js'
import { runInRootfs } from './rootfs-run.js'
import { runStep } from './run-step.js'
import { transfer } from './transfer.js'

/**
 * Executes one step and puts it into the store: worked on in the work directory, flushed, renamed. A step that fails
 * leaves nothing.
 */
export async function executeStep(setup: ExecutorSetup, request: StepRequest): Promise<void> {
  const dir = setup.newDir('step')
  try {
    if (setup.form === 'overlay') await onOverlay(setup, request, dir)
    else await onCopy(setup, request, dir)
    publishStep(dir, request)
  } finally {
    fs.rmSync(dir, { recursive: true, force: true })
  }
}

/** Writes the note of a step whose content lies in `dir`, and puts it in its place. */
export function publishStep(dir: string, step: Pick<StepRequest, 'created' | 'createdBy' | 'dir'>): void {
  const note: StepNote = { created: step.created, createdBy: step.createdBy }
  fs.writeFileSync(path.join(dir, STEP_NOTE), JSON.stringify(note))
  publish(dir, step.dir)
}

async function onOverlay(setup: ExecutorSetup, request: StepRequest, dir: string): Promise<void> {
  const [upper, work, merged] = [UPPER, 'work', 'merged'].map(name => path.join(dir, name)) as [
    string,
    string,
    string,
  ]
  for (const each of [upper, work, merged]) fs.mkdirSync(each)
  copyRoot(request.lowers[0], upper)
  setup.overlays.mount({ lowers: request.lowers, upper, work }, merged)
  try {
    await act(setup, request.action, merged)
  } finally {
    unmount(merged)
  }
  setup.overlays.finish(upper)
  fs.rmdirSync(merged)
  // The kernel leaves a folder without permissions in it.
  fs.rmSync(work, { recursive: true, force: true })
}

async function onCopy(setup: ExecutorSetup, request: StepRequest, dir: string): Promise<void> {
  if (request.lowers.length > 1) throw overlayLost()
  const tree = path.join(dir, TREE)
  fs.mkdirSync(tree, { mode: 0o755 })
  const [lower] = request.lowers
  if (lower !== undefined) await copyTree(lower, tree)
  await act(setup, request.action, tree)
}

/** A whole tree with all that belongs to it, into a directory that is there. */
export async function copyTree(from: string, to: string): Promise<void> {
  // Not spawnSync: a stop has to be heard meanwhile.
  const child = spawn('cp', ['-a', '--reflink=auto', `${from}/.`, to], { stdio: ['ignore', 2, 2] })
  const ended = await new Promise<number | null>((resolve, reject) => {
    child.on('error', error => reject(systemError(error, 'run cp')))
    child.on('close', resolve)
  })
  if (ended !== 0)
    throw new ToolError('COPY_FAILED', `cannot copy the tree "${from}": cp ended with ${ended}`)
}

/** The root of a merged tree is the upper itself: it begins as the directory that it covers. */
export function copyRoot(lower: string | undefined, upper: string): void {
  if (lower === undefined) {
    fs.chmodSync(upper, 0o755)
    return
  }
  const stat = fs.statSync(lower)
  fs.chownSync(upper, stat.uid, stat.gid)
  fs.chmodSync(upper, stat.mode & 0o7777)
  fs.utimesSync(upper, stat.atime, stat.mtime)
}

async function act(setup: ExecutorSetup, action: Action, target: string): Promise<void> {
  if (action.kind === 'workdir') return makeWorkdir(action, target, setup)
  if (action.kind === 'run')
    return await (action.programs === undefined ? runStep : runInRootfs)(setup, action, target)
  if (action.kind === 'images') return await setup.parts.bringImages(setup, action, target)
  await withSource(setup, action.root, source => transfer(action, { target, source, onWarning: setup.warn }))
  if (action.root.kind === 'context') checkUnchanged(action, action.root)
}

// The key was made before the copy. What changed in between must not be found under it for ever.
function checkUnchanged(action: TransferAction, context: Extract<SourceRoot, { kind: 'context' }>): void {
  const { expected } = action
  if (expected === undefined) return
  const { digest, state, epoch } = expected
  if (state !== undefined && contextState(context, action, epoch) === state) return
  if (contextDigest(context, action, { epoch }) === digest) return
  throw new ToolError('CONTEXT_CHANGED', 'the files changed while they were copied: build again', {
    status: 75,
  })
}

function makeWorkdir(action: WorkdirAction, target: string, setup: ExecutorSetup): void {
  const root = Rooted.open(target)
  try {
    // As that of --chown: a number is a group, too, and who is not there is root.
    const owner = ownerIdentity(action.user, accountsIn(root), why =>
      setup.warn(`USER ${action.user}: ${why}`),
    )
    const rules = { owner, timeNs: BigInt(action.timeNs), onWarning: setup.warn }
    const copier = new Copier(root, rules)
    try {
      copier.makeDirs(root.resolve(cleanName(action.path)))
      copier.finish()
    } finally {
      copier.close()
    }
  } finally {
    root.close()
  }
}

/** Renames what is whole to its place, after it is on the disk. Another build may have been faster: then its is kept. */
export function publish(dir: string, target: string): void {
  attempt(`write "${target}"`, () => {
    const fd = fs.openSync(dir, 'r')
    try {
      syncfs(fd)
    } finally {
      fs.closeSync(fd)
    }
    fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 })
    try {
      fs.renameSync(dir, target)
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error
    }
  })
}

import { spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { accountsIn, ownerIdentity, unmount } from '@pipelayer/containers'
import { systemError, ToolError } from '@pipelayer/errors'
import { copyRoot, publish } from '@pipelayer/overlays'
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
import { Copier } from './copier.js'
import { type ExecutorSetup, overlayLost } from './executor-setup.js'
import { withSource } from './open-source.js'
import { runInRootfs } from './rootfs-run.js'
import { runStep } from './run-step.js'
import { transfer } from './transfer.js'

/**
 * Executes one step in the work directory, flushes it to disk, and renames it into the store. A step that fails leaves
 * nothing.
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

/** Writes the note of a step whose content lies in `dir`, and renames the folder to its place in the store. */
export function publishStep(
  dir: string,
  step: Pick<StepRequest, 'created' | 'createdBy' | 'dir' | 'lowers'>,
): void {
  const { created, createdBy, lowers } = step
  const note: StepNote = { created, createdBy, below: lowers.map(lower => folderIn(step.dir, lower)) }
  fs.writeFileSync(path.join(dir, STEP_NOTE), JSON.stringify(note))
  publish(dir, step.dir)
}

/** The first three parts of a directory's path in the store that `dir`, as `steps/FORM/KEY`, lies in. */
function folderIn(dir: string, lower: string): string {
  return path.relative(path.resolve(dir, '../../..'), lower).split('/').slice(0, 3).join('/')
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
  // The kernel leaves a folder without permissions in the overlay's work directory.
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

/** Copies a whole tree with all metadata into a directory that exists. */
export async function copyTree(from: string, to: string): Promise<void> {
  // spawnSync would keep the process from hearing a request to stop.
  const child = spawn('cp', ['-a', '--reflink=auto', `${from}/.`, to], { stdio: ['ignore', 2, 2] })
  const ended = await new Promise<number | null>((resolve, reject) => {
    child.on('error', error => reject(systemError(error, 'run cp')))
    child.on('close', resolve)
  })
  if (ended !== 0)
    throw new ToolError('COPY_FAILED', `cannot copy the tree "${from}": cp ended with ${ended}`)
}

async function act(setup: ExecutorSetup, action: Action, target: string): Promise<void> {
  if (action.kind === 'workdir') return makeWorkdir(action, target, setup)
  if (action.kind === 'run')
    return await (action.programs === undefined ? runStep : runInRootfs)(setup, action, target)
  if (action.kind === 'images') return await setup.parts.bringImages(setup, action, target)
  await withSource(setup, action.root, source => transfer(action, { target, source, onWarning: setup.warn }))
  if (action.root.kind === 'context') checkUnchanged(action, action.root)
}

// The cache key was made before the copy. If the files have changed since, they must not be stored under that key.
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
    // As with --chown, a number stands for the group too, and an unknown user becomes root.
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

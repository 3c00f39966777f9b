import fs from 'node:fs'
import path from 'node:path'
import { type MergeRequest, TREE } from '@pipelayer/steps'
import type { ExecutorSetup } from './executor-setup.js'
import { copyTree, publishStep } from './step.js'

/**
 * Merges a tree into a lower one, with the result that an overlay mount would show: directories are merged and get the
 * metadata of the upper one; any other entry replaces the entry of the same name.
 */
export async function mergeStep(setup: ExecutorSetup, request: MergeRequest): Promise<void> {
  const dir = setup.newDir('step')
  try {
    const whole = path.join(dir, TREE)
    fs.mkdirSync(whole, { mode: 0o755 })
    await copyTree(request.below, whole)
    makeWay(Buffer.from(request.tree), Buffer.from(whole))
    await copyTree(request.tree, whole)
    publishStep(dir, { ...request, lowers: [request.tree, request.below] })
  } finally {
    fs.rmSync(dir, { recursive: true, force: true })
  }
}

// Afterwards no name of the upper tree leads through a file or a symlink of the lower one.
function makeWay(upper: Buffer, lower: Buffer): void {
  for (const entry of fs.readdirSync(upper, { withFileTypes: true, encoding: 'buffer' })) {
    const inUpper = below(upper, entry.name)
    const inLower = below(lower, entry.name)
    const found = fs.lstatSync(inLower, { throwIfNoEntry: false })
    if (found === undefined) continue
    if (entry.isDirectory() && found.isDirectory()) makeWay(inUpper, inLower)
    else fs.rmSync(inLower, { recursive: true, force: true })
  }
}

function below(dir: Buffer, name: Buffer): Buffer {
  return Buffer.concat([dir, Buffer.from('/'), name])
}

import fs from 'node:fs'
import path from 'node:path'
import { copyRoot } from '@pipelayer/overlays'
import { type RestoreRequest, TREE, UPPER } from '@pipelayer/steps'
import type { ExecutorSetup } from './executor-setup.js'
import { copyTree, publishStep } from './step.js'
import { applyBlob } from './unpack-layers.js'

/**
 * Makes the folder of a step from the layer that it was packed into, as if the step had been executed on this machine.
 *
 * @throws {ToolError} as {@link applyBlob}
 */
export async function restoreStep(setup: ExecutorSetup, request: RestoreRequest): Promise<void> {
  const { lowers, layer } = request
  const dir = setup.newDir('step')
  try {
    const content = path.join(dir, setup.form === 'overlay' ? UPPER : TREE)
    fs.mkdirSync(content, { mode: 0o755 })
    if (setup.form === 'overlay') copyRoot(lowers[0], content)
    if (layer) await applyBlob(setup, layer, { dir: content, below: lowers })
    else if (setup.form === 'tree' && lowers[0] !== undefined) await copyTree(lowers[0], content)
    publishStep(dir, request)
  } finally {
    fs.rmSync(dir, { recursive: true, force: true })
  }
}

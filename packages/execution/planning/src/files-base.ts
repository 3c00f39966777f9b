import type { CopyInstruction } from '@pipelayer/dockerfile'
import type { LayerStep, Source } from './layer-step.js'
import type { StageState } from './stage-state.js'
import { planTransfer, type TransferRequest } from './transfer-request.js'

/** Copies the whole context to the root. */
const ALL: CopyInstruction = {
  kind: 'copy',
  sources: ['.'],
  heredocs: [],
  dest: '/',
  link: false,
  parents: false,
  excludes: [],
}

/**
 * The first layer of a stage whose FROM names a directory of the user: BuildKit takes its files as the root of the
 * base.
 */
export async function filesBase(
  state: StageState,
  source: Source,
  { plan, name }: { readonly plan: TransferRequest['plan']; readonly name: string },
): Promise<LayerStep> {
  const expand = { word: (text: string) => text, words: (text: string) => [text] }
  return {
    ...(await planTransfer(state, { instruction: ALL, expand, source, plan })),
    createdBy: `FROM ${name}`,
  }
}

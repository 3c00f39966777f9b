import type { CopyInstruction } from '@pipelayer/dockerfile'
import type { LayerStep, Source } from './layer-step.js'
import type { BuildSetup } from './options.js'
import type { StageState } from './stage-state.js'
import { planTransfer } from './transfer-request.js'

/** All that is in a context, to the root. */
const ALL: CopyInstruction = {
  kind: 'copy',
  sources: ['.'],
  heredocs: [],
  dest: '/',
  link: false,
  parents: false,
  excludes: [],
}

/** The first layer of a stage whose FROM names files, a directory of the user's: BuildKit takes them as the base's root. */
export async function filesBase(
  state: StageState,
  source: Source,
  { setup, name }: { readonly setup: BuildSetup; readonly name: string },
): Promise<LayerStep> {
  const { timeNs, time, remotes, store } = setup
  const expand = { word: (text: string) => text, words: (text: string) => [text] }
  const request = { instruction: ALL, expand, timeNs, epoch: time.epoch, source, remotes, store }
  return { ...(await planTransfer(state, request)), createdBy: `FROM ${name}` }
}

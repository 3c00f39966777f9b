import { messageOf, ToolError } from '@pipelayer/errors'
import type { UploadMemory } from '@pipelayer/registry'
import { Store, type UploadState } from '@pipelayer/store'
import type { PlaceOptions } from './place.js'

/**
 * Runs an upload and gives it the store's record of where an earlier upload broke. It runs without that record while
 * another process uploads the same blob, and if the store cannot be written.
 *
 * @param target - registry, repository and digest
 */
export async function withUploadMemory(
  { store, warn }: PlaceOptions,
  target: readonly string[],
  upload: (memory?: UploadMemory) => Promise<void>,
): Promise<void> {
  let state: UploadState | undefined
  try {
    state = Store.open(store).uploadState(target)
    if (!state.take()) state = undefined
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    state = undefined
    warn?.(`an upload that breaks will begin anew: ${messageOf(error)}`, error.code)
  }
  try {
    await upload(state)
  } finally {
    state?.release()
  }
}

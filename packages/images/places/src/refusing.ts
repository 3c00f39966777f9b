import { ToolError } from '@pipelayer/errors'
import type { PlaceWriter } from './place.js'

/**
 * The writer of a place that nothing can be written to.
 *
 * @param message - what its methods throw, as ToolError `PLACE_INVALID`
 */
export function refusing(message: string): PlaceWriter & { close(): Promise<void> } {
  const refuse = (): never => {
    throw new ToolError('PLACE_INVALID', message)
  }
  const close = async (): Promise<void> => undefined
  return {
    hasBlob: refuse,
    hasManifest: refuse,
    putBlob: refuse,
    putManifest: refuse,
    publish: refuse,
    close,
  }
}

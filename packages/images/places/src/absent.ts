import { ToolError } from '@pipelayer/errors'

// Codes that say so.
const ABSENT = new Set([
  'LAYOUT_MISSING',
  'MANIFEST_UNKNOWN',
  'BLOB_UNKNOWN',
  'NAME_UNKNOWN',
  'PLATFORM_NOT_FOUND',
])

/** Whether an image was not there, as against broken or out of reach. */
export function isAbsent(error: unknown): boolean {
  return error instanceof ToolError && (ABSENT.has(error.code) || error.code === 'ENOENT')
}

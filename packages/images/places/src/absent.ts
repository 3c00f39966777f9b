import { ToolError } from '@pipelayer/errors'

// Codes which say that an image does not exist.
const ABSENT = new Set([
  'LAYOUT_MISSING',
  'MANIFEST_UNKNOWN',
  'BLOB_UNKNOWN',
  'NAME_UNKNOWN',
  'PLATFORM_NOT_FOUND',
])

/** Whether an error says that an image does not exist, rather than that it is broken or out of reach. */
export function isAbsent(error: unknown): boolean {
  return error instanceof ToolError && (ABSENT.has(error.code) || error.code === 'ENOENT')
}

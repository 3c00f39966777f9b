import { ToolError } from '@pipelayer/errors'

/** The file name that stands for stdin or stdout. */
export const STANDARD = '-'

/**
 * Standard input as the archive `-`: see `RunOptions.stdin`. It is not touched before it is asked for, and can be read
 * once.
 *
 * @throws ToolError `PLACE_INVALID` from the second call on
 */
export function stdinOf(process: { readonly stdin: AsyncIterable<Buffer> }): () => AsyncIterable<Buffer> {
  let isRead = false
  return () => {
    if (isRead) throw new ToolError('PLACE_INVALID', 'stdin holds one archive, and it was read: give a file')
    isRead = true
    return process.stdin
  }
}

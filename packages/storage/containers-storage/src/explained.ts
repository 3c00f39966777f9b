import { ToolError } from '@pipelayer/errors'

/** The error, with what helps an ordinary user who may not read a file of the storage. */
export function explained(error: unknown): unknown {
  if (!(error instanceof ToolError) || error.code !== 'EACCES') return error
  const help =
    'storage of the system needs root, and files of a user\'s images "podman unshare" before the command'
  return new ToolError('EACCES', `${error.message}: ${help}`, { cause: error })
}

import { errnoOf, systemError, ToolError } from '@pipelayer/errors'

const ABSENT = ['ENOENT', 'ENOTDIR']

/** The error, with what helps an ordinary user who may not read a file of the storage. */
export function explained(error: unknown): unknown {
  if (!(error instanceof ToolError) || error.code !== 'EACCES') return error
  const help =
    'storage of the system needs root, and files of a user\'s images "podman unshare" before the command'
  return new ToolError('EACCES', `${error.message}: ${help}`, { cause: error })
}

/** Runs `work`; undefined where `file` does not exist. @throws ToolError `EACCES` and the like, as {@link explained} */
export function ifThere<T>(file: string, work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (ABSENT.includes(errnoOf(error) ?? '')) return undefined
    throw explained(systemError(error, `read "${file}"`))
  }
}

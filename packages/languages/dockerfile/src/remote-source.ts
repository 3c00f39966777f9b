import { type GitRef, parseGitRef } from './git-ref.js'

/** True for sources that ADD fetches, since they are no paths. Throws where the query of a git address is wrong. */
export function isRemote(source: string): boolean {
  return /^https?:\/\//.test(source) || remoteGitRef(source) !== undefined
}

/** The repository that a source names; undefined where it is a path of the context, or an address of the web. */
export function remoteGitRef(source: string): GitRef | undefined {
  const ref = parseGitRef(source)
  return ref === undefined || ref.looksLocal ? undefined : ref
}

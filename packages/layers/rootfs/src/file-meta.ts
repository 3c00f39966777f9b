/**
 * What of a file's metadata a step keeps.
 *
 * @module
 */
const NS = 1_000_000_000n

/** A time in nanoseconds since 1970, also before, as utimensat takes it. */
export function timeSpec(ns: bigint): { readonly seconds: number; readonly nanoseconds: number } {
  const nanoseconds = ((ns % NS) + NS) % NS
  return { seconds: Number((ns - nanoseconds) / NS), nanoseconds: Number(nanoseconds) }
}

/** Whether an xattr is one that layers carry: the user's own, and capabilities; never those of overlayfs. */
export function isCarried(xattr: string): boolean {
  return xattr === 'security.capability' || (xattr.startsWith('user.') && !xattr.startsWith('user.overlay.'))
}

/** Prefix of overlayfs's private xattrs: `trusted.overlay.` or, under `userxattr`, `user.overlay.`. */
export type XattrForm = 'trusted' | 'user'

/** Told what had to be left out; one line each. */
export type Warn = (message: string) => void

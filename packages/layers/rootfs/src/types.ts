/** Prefix of overlayfs's private xattrs: `trusted.overlay.` or, under `userxattr`, `user.overlay.`. */
export type XattrForm = 'trusted' | 'user'

/** Called with a warning, of one line, about something that had to be left out. */
export type Warn = (message: string) => void

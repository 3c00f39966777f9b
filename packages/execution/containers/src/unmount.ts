import { errnoOf, systemError } from '@pipelayer/errors'
import { MNT_DETACH, umount2 } from '@pipelayer/sys'

/** Unmounts, even if a process still has a file open in the mount. */
export function unmount(target: string): void {
  try {
    umount2(target, 0)
  } catch (error) {
    if (errnoOf(error) !== 'EBUSY') throw systemError(error, `unmount "${target}"`)
    umount2(target, MNT_DETACH)
  }
}

import { defaultStorePath, Store } from './store.js'

/**
 * Shares the lease of the store, if there is one, until the process ends. A program that gets paths of blobs and trees
 * in records may never open the store, and the program that made the records may have ended: nothing else would tell
 * garbage collection that they are in use. A store that cannot be opened is left to those who need it.
 *
 * @param root - the store's folder; the default one unless given
 */
export function holdStore(root: string | undefined, env: Readonly<Record<string, string | undefined>>): void {
  try {
    Store.openIfThere(root ?? defaultStorePath(env))
  } catch {
    // The paths may lead anywhere, and need no store at all.
  }
}

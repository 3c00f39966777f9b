/**
 * The local store: an OCI layout, with folders of ours beside its blobs.
 *
 * @module
 */

export type { Area } from './areas.js'
export { holdStore } from './hold.js'
export { type MountEntry, MountJournal } from './mount-journal.js'
export type { MadeDir, MountDirs, MountNote } from './mount-note.js'
export { MountSight } from './mount-sight.js'
export { resumeFile } from './partial-blob.js'
export { defaultStorePath, Store } from './store.js'
export { touch } from './touch.js'
export { UploadState } from './upload-state.js'

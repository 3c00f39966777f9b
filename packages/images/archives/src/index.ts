/**
 * Archives of images: OCI layouts and docker save's form, each in one tar, read and written.
 *
 * @module
 */
export { ArchiveFile, type Extent, invalid } from './archive-file.js'
export { type ArchiveContent, archiveContent, archiveName } from './content.js'
export { CONTAINERD_NAME } from './docker.js'
export { type ArchiveForm, ImageArchive } from './image-archive.js'
export { type ArchiveOutput, openFileOutput, streamOutput } from './output.js'
export { type ArchiveEntry, ArchiveWriter, entryOf } from './writer.js'

/**
 * The images that containerd keeps in its own folder, read only and while it runs.
 *
 * @module
 */
export { ContainerdFolder, fullName } from './containerd-folder.js'
export { isNamespace } from './namespace.js'

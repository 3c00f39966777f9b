import fs from 'node:fs'
import path from 'node:path'
import { DistributionFolder } from '@pipelayer/distribution-folder'
import { ToolError } from '@pipelayer/errors'
import { Layout } from '@pipelayer/layout'
import { FolderStorage, LayoutStorage, type RegistryStorage } from '@pipelayer/registry-server'
import { Store } from '@pipelayer/store'

/** What a folder holds: an OCI layout, or distribution's folder. */
export type StorageKind = 'layout' | 'folder'

export interface OpenedStorage {
  readonly kind: StorageKind
  /** Absolute. */
  readonly root: string
  readonly storage: RegistryStorage
}

/**
 * Opens the storage in `dir`. If the folder is empty, a layout is made, or distribution's folder if that was asked for;
 * a read-only server makes nothing.
 *
 * @throws ToolError `STORAGE_UNKNOWN`: `dir` holds neither; `LAYOUT_MISSING`, `LAYOUT_INVALID`, `FOLDER_MISSING`;
 * `FILE_INVALID`, `FILE_TOO_LARGE`: a file of the layout is no regular file, or too large
 */
export function openStorage(
  dir: string,
  options: {
    readonly kind: StorageKind | undefined
    readonly isStore: boolean
    readonly readOnly: boolean
  },
): OpenedStorage {
  const root = path.resolve(dir)
  const kind = options.kind ?? detect(root)
  const create = !options.readOnly
  if (kind === 'folder') {
    return { kind, root, storage: new FolderStorage(DistributionFolder.open(root, { create })) }
  }
  // A store has a lease, which holds off garbage collection while it is served. No such file is made in a plain layout.
  const isStore = options.isStore || fs.existsSync(path.join(root, 'lease'))
  const layout = isStore ? Store.open(root, { create }) : Layout.open(root, { create })
  // The index is read now, and not at the first request, so that the user sees an error at the start.
  layout.index()
  return { kind, root, storage: new LayoutStorage(layout) }
}

function detect(root: string): StorageKind {
  if (fs.existsSync(path.join(root, 'oci-layout'))) return 'layout'
  if (DistributionFolder.isThere(root)) return 'folder'
  if (!fs.existsSync(root) || fs.readdirSync(root).length === 0) return 'layout'
  const what = 'neither an OCI layout (oci-layout) nor a registry folder (docker/registry/v2)'
  throw new ToolError('STORAGE_UNKNOWN', `cannot serve "${root}": it is ${what}`)
}

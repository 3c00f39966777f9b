/**
 * Finds the files of a folder that may name images.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'
import { attempt } from '@pipelayer/errors'

/** The kind of a file. A chart is a folder, or an archive of one. */
export type SourceKind = 'manifest' | 'list' | 'authorized-list' | 'chart' | 'chart-archive'

export interface Source {
  readonly kind: SourceKind
  /** The given path, with the path below it appended. */
  readonly file: string
}

const LIST = 'imageList'
const AUTHORIZED_LIST = 'imageListWithAuth.yaml'
/** A folder with one of these is a root filesystem. */
const ROOTFS_PARTS = ['manifests', 'charts', 'application', AUTHORIZED_LIST, path.join('images', 'shim')]

/**
 * The files to read below `file`. If it is no folder, that is the file itself. A chart is read as a whole. In a root
 * filesystem, `manifests/`, `charts/` and `application/` are read, the lists in `images/shim/`, and
 * `imageListWithAuth.yaml`. In any other folder, all files are read that could stand in `manifests/`. Folders are
 * walked in byte order; symlinks are not followed.
 */
export function* sourcesOf(
  file: string,
  { isRootfs = false }: { readonly isRootfs?: boolean } = {},
): Generator<Source, void, void> {
  if (!attempt(`read ${JSON.stringify(file)}`, () => fs.statSync(file)).isDirectory()) {
    yield { kind: kindOf(file) ?? 'list', file }
    return
  }
  if (isRootfs) yield* rootfs(file)
  else if (isChart(file)) yield { kind: 'chart', file }
  else if (ROOTFS_PARTS.some(part => typeOf(path.join(file, part)) !== undefined)) yield* rootfs(file)
  else yield* manifests(file, file)
}

function* rootfs(root: string): Generator<Source, void, void> {
  const authorized = path.join(root, AUTHORIZED_LIST)
  if (typeOf(authorized) === 'file') yield { kind: 'authorized-list', file: authorized }
  yield* charts(path.join(root, 'application'), { withManifests: true })
  yield* charts(path.join(root, 'charts'), { withManifests: false })
  for (const name of entries(path.join(root, 'images', 'shim'))) {
    const file = path.join(root, 'images', 'shim', name)
    if (typeOf(file) === 'file') yield { kind: 'list', file }
  }
  yield* manifests(path.join(root, 'manifests'), path.join(root, 'manifests'))
}

function* manifests(dir: string, top: string): Generator<Source, void, void> {
  for (const name of entries(dir)) {
    const file = path.join(dir, name)
    const type = typeOf(file)
    if (type === 'dir' && isChart(file)) yield { kind: 'chart', file }
    else if (type === 'dir') yield* manifests(file, top)
    else if (type === 'file') {
      const kind = name === LIST ? (dir === top ? 'list' : undefined) : kindOf(file)
      if (kind !== undefined && kind !== 'chart-archive') yield { kind, file }
    }
  }
}

/** Finds charts. Charts inside of a chart are rendered together with it. */
function* charts(dir: string, options: { readonly withManifests: boolean }): Generator<Source, void, void> {
  for (const name of entries(dir)) {
    const file = path.join(dir, name)
    const type = typeOf(file)
    if (type === 'dir' && isChart(file)) yield { kind: 'chart', file }
    else if (type === 'dir') yield* charts(file, options)
    else if (type === 'file') {
      const kind = kindOf(file)
      if (kind !== undefined && (kind === 'chart-archive' || options.withManifests)) yield { kind, file }
    }
  }
}

function kindOf(file: string): SourceKind | undefined {
  const name = path.basename(file)
  if (name === LIST) return 'list'
  if (name === AUTHORIZED_LIST) return 'authorized-list'
  if (/\.(?:ya?ml|json|tmpl)$/i.test(name)) return 'manifest'
  return /\.tgz$/i.test(name) ? 'chart-archive' : undefined
}

/** Whether a folder is a chart, by the rule of sealer and Helm: values and templates may be missing. */
function isChart(dir: string): boolean {
  return typeOf(path.join(dir, 'Chart.yaml')) === 'file'
}

/** The type of a file; `undefined` if it does not exist; symlinks and special files are `other`. */
function typeOf(file: string): 'file' | 'dir' | 'other' | undefined {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  return stat.isFile() ? 'file' : stat.isDirectory() ? 'dir' : 'other'
}

/** Names in byte order; none if the folder does not exist. */
function entries(dir: string): readonly string[] {
  if (typeOf(dir) !== 'dir') return []
  return attempt(`read the folder ${JSON.stringify(dir)}`, () => fs.readdirSync(dir)).sort((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  )
}

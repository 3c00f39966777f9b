/**
 * What lies in the folder of a registry, for garbage collection: which must see everything that may need a blob, so a
 * link in place of a folder, which would hide some of it, is refused.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { type Digest, isDigest } from '@pipelayer/digest'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { readLink } from './files.js'
import { type FolderPaths, isName, isTag } from './paths.js'

/** A file or a folder, and when it was last written. */
export interface Found {
  /** Absolute. */
  readonly path: string
  /** Milliseconds since 1970. */
  readonly usedMs: number
}

/** A blob; its path is that of the file `data`. */
export interface FolderBlob extends Found {
  readonly digest: Digest
}

/** What a repository names. */
export interface RepositoryContents {
  readonly name: string
  /** Manifests and indexes that it may serve; the path is that of the folder with the link. */
  readonly revisions: readonly FolderBlob[]
  /** Layers and configs that it may serve, in the same way. */
  readonly layers: readonly FolderBlob[]
  /** The digests that its tags stand for. */
  readonly tagged: ReadonlySet<Digest>
  /** A tag that cannot be read: then it is not known which manifests have no tag. */
  readonly tagFault?: ToolError
  /** Uploads that are not finished: folders. */
  readonly uploads: readonly Found[]
  /** The folders, below its tags, that remember a manifest which a tag once stood for. */
  remembering(digest: Digest): string[]
}

/** The blobs, in byte order of their digests. @throws {ToolError} `FOLDER_LINKED`; the system's */
export function* blobsIn(paths: FolderPaths): Generator<FolderBlob, void, undefined> {
  for (const algorithm of folders(paths.blobs))
    for (const part of folders(path.join(paths.blobs, algorithm))) yield* blobsBelow(paths, algorithm, part)
}

function* blobsBelow(paths: FolderPaths, algorithm: string, part: string): Generator<FolderBlob> {
  for (const hex of folders(path.join(paths.blobs, algorithm, part))) {
    const digest = `${algorithm}:${hex}`
    const found = isDigest(digest) ? look(paths.blob(digest)) : undefined
    if (found !== undefined) yield { digest, ...found }
  }
}

/** All repositories, also those for which only an upload was begun. @throws as {@link blobsIn} */
export function* repositoriesIn(paths: FolderPaths): Generator<RepositoryContents, void, undefined> {
  const waiting = folders(paths.repositories).reverse()
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (!isName(name)) continue
    const inside = folders(path.join(paths.repositories, name))
    if (inside.some(one => one.startsWith('_'))) yield contentsOf(paths, name)
    const below = inside.filter(one => !one.startsWith('_'))
    for (const one of below.reverse()) waiting.push(`${name}/${one}`)
  }
}

/** Files of ours that are not complete. */
export function temporariesIn(paths: FolderPaths): Found[] {
  return entries(paths.partial).flatMap(({ name }) => look(path.join(paths.partial, name)) ?? [])
}

function contentsOf(paths: FolderPaths, name: string): RepositoryContents {
  const tags = folders(paths.tags(name)).filter(isTag)
  const uploads = paths.uploads(name)
  return {
    name,
    revisions: linksIn(paths.revisions(name)),
    layers: linksIn(paths.layers(name)),
    ...taggedIn(paths, name, tags),
    uploads: folders(uploads).flatMap(id => newest(path.join(uploads, id)) ?? []),
    remembering: digest =>
      tags
        .map(tag => path.dirname(paths.tagIndexLink(name, tag, digest)))
        .filter(folder => fs.existsSync(folder)),
  }
}

// The name of its folder says what a link stands for. One whose content was lost in a crash still counts.
function linksIn(folder: string): FolderBlob[] {
  return folders(folder).flatMap(algorithm =>
    folders(path.join(folder, algorithm)).flatMap(hex => {
      const digest = `${algorithm}:${hex}`
      const place = path.join(folder, algorithm, hex)
      const link = isDigest(digest) ? look(path.join(place, 'link')) : undefined
      return link === undefined ? [] : [{ ...link, digest, path: place }]
    }),
  )
}

function taggedIn(
  paths: FolderPaths,
  name: string,
  tags: readonly string[],
): Pick<RepositoryContents, 'tagged' | 'tagFault'> {
  const tagged = new Set<Digest>()
  let fault: ToolError | undefined
  for (const tag of tags) {
    try {
      const digest = readLink(paths.currentLink(name, tag))
      if (digest !== undefined) tagged.add(digest)
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      fault = error
    }
  }
  return { tagged, ...(fault !== undefined && { tagFault: fault }) }
}

// An upload was used when one of its files was, even if its folder is older.
function newest(folder: string): Found | undefined {
  const found = look(folder)
  if (found === undefined) return undefined
  const inside = entries(folder).flatMap(({ name }) => look(path.join(folder, name)) ?? [])
  return { path: folder, usedMs: Math.max(found.usedMs, ...inside.map(({ usedMs }) => usedMs)) }
}

function look(file: string): Found | undefined {
  const stat = fs.lstatSync(file, { throwIfNoEntry: false })
  return stat === undefined ? undefined : { path: file, usedMs: stat.mtimeMs }
}

/** The names of the folders in a folder, in byte order. @throws {ToolError} `FOLDER_LINKED` */
function folders(folder: string): string[] {
  const found = entries(folder)
  const link = found.find(entry => entry.isSymbolicLink())
  if (link !== undefined) {
    const place = path.join(folder, link.name)
    const why = 'a registry follows it, and what lies behind it may need blobs of this folder'
    throw new ToolError('FOLDER_LINKED', `cannot look through "${place}", which is a symbolic link: ${why}`)
  }
  return found
    .filter(entry => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
}

// What is gone meanwhile, or was never made, is empty.
function entries(folder: string): fs.Dirent[] {
  try {
    return fs.readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
    throw systemError(error, `read the folder "${folder}"`)
  }
}

/**
 * What an engine remembers of registries: which diffID a compressed layer has, and where that layer is. It is a hint, by
 * which a pull or a push is spared; the engine asks the registry all the same.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { type Digest, isDigest } from '@pipelayer/digest'
import { isObject } from '@pipelayer/oci'
import { readFile, readLine } from './files.js'
import type { FolderPaths } from './paths.js'

/** The most places that the engine keeps of a layer. */
const MAX_SOURCES = 50
const MAX_BYTES = 1024 * 1024

/** A compressed layer in a repository. */
export interface LayerOrigin {
  readonly diffID: Digest
  readonly digest: Digest
  /** `docker.io/library/debian`. */
  readonly repositories: readonly string[]
}

/** The diffID of a compressed layer, if the engine knows it. */
export function diffOf(paths: FolderPaths, digest: Digest): Digest | undefined {
  if (!isDigest(digest) || !digest.startsWith('sha256:')) return undefined
  const text = readLine(paths.diffOfDigest(digest))
  return text !== undefined && isDigest(text) ? text : undefined
}

/** Adds what is known of a layer that was unpacked from a compressed one. */
export function rememberOrigin(paths: FolderPaths, { diffID, digest, repositories }: LayerOrigin): void {
  write(paths.diffOfDigest(digest), diffID)
  if (repositories.length === 0) return
  const file = paths.sourcesOfDiff(diffID)
  const added = repositories.map(SourceRepository => ({ Digest: digest, SourceRepository, HMAC: '' }))
  const isAdded = (one: Readonly<Record<string, unknown>>): boolean =>
    one.Digest === digest && repositories.includes(String(one.SourceRepository))
  const kept = sourcesIn(file).filter(one => !isAdded(one))
  // The newest stands last.
  write(file, JSON.stringify([...kept, ...added].slice(-MAX_SOURCES)))
}

function sourcesIn(file: string): readonly Readonly<Record<string, unknown>>[] {
  const bytes = readFile(file, MAX_BYTES)
  if (bytes === undefined) return []
  try {
    const list: unknown = JSON.parse(bytes.toString('utf8'))
    return Array.isArray(list) ? list.filter(isObject) : []
  } catch {
    return []
  }
}

function write(file: string, content: string): void {
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  const temporary = `${file}.tmp`
  fs.writeFileSync(temporary, content)
  fs.renameSync(temporary, file)
}

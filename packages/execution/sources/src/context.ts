import fs from 'node:fs'
import path from 'node:path'
import { isDigest } from '@pipelayer/digest'
import { type GitRef, parseGitRef, parseIgnore } from '@pipelayer/dockerfile'
import { attempt, errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { familiar, parseNormalized } from '@pipelayer/reference'
import { Rooted } from '@pipelayer/rootfs'
import type { BuildContext } from '@pipelayer/steps'
import { readRegular } from '@pipelayer/sys'

/** A context, as the command line names it. */
export type ContextSource =
  | ({ readonly kind: 'dir' } & BuildContext)
  /** A tar, compressed or not: a file, or a pipe that can be read only once. */
  | { readonly kind: 'archive'; readonly file: string }
  | { readonly kind: 'git'; readonly ref: GitRef }
  /**
   * A file of the web. If `unpack` is set, an archive is unpacked; any other file is the only file of the context,
   * named `context`.
   */
  | { readonly kind: 'http'; readonly address: string; readonly unpack: boolean }

export type NamedContext = ContextSource | { readonly kind: 'image'; readonly image: string }

/** A .dockerignore of more bytes is ignored. */
const MAX_IGNORE_BYTES = 16 * 1024 * 1024

/**
 * Finds out what `--context` stands for: a directory, a tar, a git repository or a file of the web. If a file or
 * directory of that name exists, it is taken.
 *
 * @param dockerfile - the name in the records; no ignore file is looked for beside `-` or a name that does not exist
 * @throws {ToolError} `GIT_REF_INVALID`, system errors
 */
export function readContext(text: string, dockerfile: string | undefined): ContextSource {
  return (
    localContext(text, dockerfile) ?? remoteContext(text, { unpack: true }) ?? openContext(text, dockerfile)
  )
}

/**
 * Finds out what `--build-context NAME=VALUE` stands for: a context as for {@link readContext}, or an image:
 * `docker-image://NAME`, `oci-layout://DIR[:TAG][@DIGEST]`, a place.
 */
export function readNamedContext(value: string): NamedContext {
  const [, scheme, rest = ''] = /^(docker-image|oci-layout):\/\/(.*)$/s.exec(value) ?? []
  if (scheme === 'docker-image') return { kind: 'image', image: rest }
  if (scheme === 'oci-layout') return { kind: 'image', image: layoutPlace(rest) }
  return (
    localContext(value, undefined) ??
    remoteContext(value, { unpack: false }) ?? { kind: 'image', image: value }
  )
}

// If there is both a tag and a digest, the digest counts.
function layoutPlace(text: string): string {
  const at = text.lastIndexOf('@')
  if (at < 0 || !isDigest(text.slice(at + 1))) return `oci:${text}`
  const named = text.slice(0, at)
  const colon = named.indexOf(':')
  return `oci:${colon < 0 ? named : named.slice(0, colon)}:${text.slice(at)}`
}

/** One form for all names of the same image: `debian`, `debian:latest`, `docker.io/library/debian`. */
export function contextName(text: string): string {
  try {
    return familiar(parseNormalized(text)).replace(/:latest$/, '')
  } catch (error) {
    if (error instanceof ToolError) return text
    throw error
  }
}

function localContext(text: string, dockerfile: string | undefined): ContextSource | undefined {
  const stat = fs.statSync(text, { throwIfNoEntry: false })
  if (stat === undefined) return undefined
  return stat.isDirectory() ? openContext(text, dockerfile) : { kind: 'archive', file: path.resolve(text) }
}

function remoteContext(text: string, { unpack }: { readonly unpack: boolean }): ContextSource | undefined {
  const ref = parseGitRef(text)
  if (ref !== undefined) return { kind: 'git', ref }
  return /^https?:\/\//.test(text) ? { kind: 'http', address: text, unpack } : undefined
}

// Patterns come from the file beside the Dockerfile that has its name with `.dockerignore` appended, if it exists,
// otherwise from `.dockerignore` in the context.
function openContext(dir: string, dockerfile: string | undefined): ContextSource {
  const real = attempt(`open the context "${dir}"`, () => fs.realpathSync(dir))
  const beside = dockerfile === undefined || dockerfile === '-' ? undefined : besideText(dockerfile, real)
  const text = beside ?? inContext(real)
  return { kind: 'dir', dir: real, ignore: text === undefined ? [] : parseIgnore(text) }
}

// The Dockerfile is named relative to the folder where kf-parse ran, which is ours too, or relative to the context.
function besideText(dockerfile: string, context: string): Buffer | undefined {
  for (const base of [process.cwd(), context]) {
    const file = `${path.resolve(base, dockerfile)}.dockerignore`
    try {
      return readRegular(file, MAX_IGNORE_BYTES)
    } catch (error) {
      if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) throw systemError(error, `read "${file}"`)
    }
  }
  return undefined
}

function inContext(context: string): Buffer | undefined {
  const root = Rooted.open(context)
  try {
    return root.readFile('.dockerignore', MAX_IGNORE_BYTES)
  } finally {
    root.close()
  }
}

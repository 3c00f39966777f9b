import { ToolError } from '@pipelayer/errors'
import { parseNormalized } from '@pipelayer/reference'

/** The options that name the subject. */
export interface SubjectOptions {
  readonly name: string
  readonly tags?: boolean
  readonly referrers?: boolean
  readonly artifactType?: string | undefined
  readonly limit?: number | undefined
}

/** The registry, repository or image that is listed. */
export interface Subject {
  readonly domain: string
  /** If absent, the registry itself is listed. */
  readonly path?: string
  readonly tag?: string
  readonly digest?: string
}

/**
 * Reads the argument: a word with a dot or a colon, or `localhost`, and no slash is a host; anything else is a
 * reference. A port and a tag look alike: `name:1` is a host, `library/name:1` is not.
 *
 * @throws ToolError `USAGE` of status 2
 */
export function subjectOf({ name, tags, referrers, artifactType, limit }: SubjectOptions): Subject {
  if (name === '') throw usage('expected HOST, REPOSITORY or IMAGE, or --search WORD')
  if (limit !== undefined) throw usage('--limit goes with --search')
  const text = name.replace(/^docker:\/\//, '').replace(/\/$/, '')
  const isHost = !text.includes('/') && (/[.:]/.test(text) || text === 'localhost') && !text.includes('@')
  const { domain, path, tag, digest } = parsed(isHost ? `${text}/library/x` : text, name)
  if (isHost && referrers) throw usage('--referrers needs an image: HOST/REPOSITORY@DIGEST')
  if (!isHost && tags) throw usage('--tags needs a registry: the tags of a repository are listed anyway')
  if (!referrers && artifactType !== undefined) throw usage('--artifact-type goes with --referrers')
  if (isHost) return { domain }
  const isImage = tag !== undefined || digest !== undefined
  if (isImage && !referrers)
    throw usage(`${JSON.stringify(name)} is one image: give a repository, or --referrers`)
  return { domain, path, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) }
}

/** @throws ToolError `USAGE` of status 2 for an option that has no meaning beside `--search` */
export function checkSearch({ tags, referrers, artifactType }: Omit<SubjectOptions, 'name'>): void {
  if (tags || referrers || artifactType !== undefined)
    throw usage('--search finds repositories: --tags, --referrers and --artifact-type do not go with it')
}

function parsed(text: string, name: string): ReturnType<typeof parseNormalized> {
  try {
    return parseNormalized(text)
  } catch (cause) {
    throw new ToolError('USAGE', `not a host, a repository or an image: ${JSON.stringify(name)}`, {
      cause,
      status: 2,
    })
  }
}

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}

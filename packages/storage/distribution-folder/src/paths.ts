/**
 * The paths below `ROOT/docker/registry/v2`, as in distribution 2.x and 3.x:
 *
 * ```
 * blobs/ALG/XX/HEX/data                                   the bytes, once for all repositories; XX: first two of HEX
 * repositories/NAME/_layers/ALG/HEX/link                  each layer and config that NAME may serve
 * repositories/NAME/_manifests/revisions/ALG/HEX/link     each manifest and index that NAME may serve
 * repositories/NAME/_manifests/tags/TAG/current/link      the manifest of TAG now
 * repositories/NAME/_manifests/tags/TAG/index/ALG/HEX/link   every manifest that TAG ever had
 * repositories/NAME/_uploads/ID/                          uploads that are not finished
 * .partial/                                               ours: files that are not complete; removed when empty
 * ```
 *
 * A link holds a digest and nothing else, not even a newline. No component of NAME can begin with `_`, so a repository
 * `a` and its neighbour `a/b` share a folder without conflicts.
 *
 * @module
 */
import path from 'node:path'
import { algorithmOf, type Digest, encodedOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { GRAMMAR } from '@pipelayer/reference'

/** The most characters of a repository's name. Spec: distribution-spec v1.1, "Pulling manifests". */
const MAX_NAME = 255

/** True for a name that a repository can have. */
export function isName(name: string): boolean {
  return name.length <= MAX_NAME && GRAMMAR.path.test(name)
}

/** True for text that a tag can be. */
export function isTag(tag: string): boolean {
  return GRAMMAR.tag.test(tag)
}

/** Returns the name of a repository after checking it. @throws {ToolError} `NAME_INVALID` */
export function checkName(name: string): string {
  if (isName(name)) return name
  throw new ToolError('NAME_INVALID', `not a name of a repository: ${JSON.stringify(name.slice(0, 300))}`)
}

/** Returns a tag after checking it. @throws {ToolError} `TAG_INVALID` */
export function checkTag(tag: string): string {
  if (isTag(tag)) return tag
  throw new ToolError('TAG_INVALID', `not a tag: ${JSON.stringify(tag.slice(0, 300))}`)
}

/** The paths of one folder. Names, tags and digests are checked before they become part of one. */
export class FolderPaths {
  /** `ROOT/docker/registry/v2`, absolute. */
  readonly base: string
  readonly partial: string
  readonly repositories: string

  constructor(root: string) {
    this.base = path.join(path.resolve(root), 'docker/registry/v2')
    this.partial = path.join(this.base, '.partial')
    this.repositories = path.join(this.base, 'repositories')
  }

  blob(digest: Digest): string {
    const hex = encodedOf(digest)
    return path.join(this.base, 'blobs', algorithmOf(digest), hex.slice(0, 2), hex, 'data')
  }

  repository(name: string): string {
    return path.join(this.repositories, checkName(name))
  }

  get blobs(): string {
    return path.join(this.base, 'blobs')
  }

  layers(name: string): string {
    return path.join(this.repository(name), '_layers')
  }

  layerLink(name: string, digest: Digest): string {
    return path.join(this.layers(name), linkOf(digest))
  }

  revisions(name: string): string {
    return path.join(this.repository(name), '_manifests/revisions')
  }

  revisionLink(name: string, digest: Digest): string {
    return path.join(this.revisions(name), linkOf(digest))
  }

  tags(name: string): string {
    return path.join(this.repository(name), '_manifests/tags')
  }

  tag(name: string, tag: string): string {
    return path.join(this.tags(name), checkTag(tag))
  }

  currentLink(name: string, tag: string): string {
    return path.join(this.tag(name, tag), 'current/link')
  }

  tagIndexLink(name: string, tag: string, digest: Digest): string {
    return path.join(this.tag(name, tag), 'index', linkOf(digest))
  }

  uploads(name: string): string {
    return path.join(this.repository(name), '_uploads')
  }
}

function linkOf(digest: Digest): string {
  return path.join(algorithmOf(digest), encodedOf(digest), 'link')
}

import type { ClusterSources } from '@pipelayer/cluster-build'
import { ToolError } from '@pipelayer/errors'
import { formatPlatform, normalizePlatform, type Platform, parseConfig, parsePlatform } from '@pipelayer/oci'
import { type BaseImage, type Source, scratchDocument } from '@pipelayer/planning'
import {
  type ContextFolders,
  type ContextSource,
  contextDigest,
  contextName,
  type FileDigests,
  type NamedContext,
} from '@pipelayer/sources'
import type { BuildContext } from '@pipelayer/steps'
import { type BaseOptions, resolveBase } from './resolve-base.js'

/** The named contexts of a build, and the means to reach sources. */
export interface SourceSetup {
  readonly context: ContextSource | undefined
  /** Contexts by {@link contextName}, perhaps with `::PLATFORM` appended. */
  readonly contexts: ReadonlyMap<string, NamedContext>
  readonly folders: ContextFolders
  readonly files: FileDigests
  readonly epoch: number | undefined
  readonly places: Omit<BaseOptions, 'platform'>
}

/**
 * The trees that a build reads besides its own stages: the context, named contexts, images. Each image is resolved
 * once.
 *
 * Errors: `NOT_AN_IMAGE` if an image is wanted and the `--build-context` of that name holds files, `CONTEXT_MISSING` if
 * files are copied and no context was given, and those of {@link resolveBase}.
 */
export class BuildSources implements ClusterSources {
  readonly #setup: SourceSetup
  readonly #platform: Platform
  readonly #images = new Map<string, Promise<BaseImage>>()

  /** @param platform - the platform of images for which no other is given */
  constructor(setup: SourceSetup, platform: Platform) {
    this.#setup = setup
    this.#platform = platform
  }

  /** Whether `--build-context` defines a name. Then the name means neither a stage nor an image. */
  has(name: string): boolean {
    return this.#named(name) !== undefined
  }

  /** The files that FROM names, if it names a build context that is no image. */
  async files(text: string, platform?: string): Promise<Source | undefined> {
    const wanted = platform === undefined ? undefined : normalizePlatform(parsePlatform(platform))
    const named = this.#named(text, wanted)
    if (named === undefined || named.kind === 'image') return undefined
    return this.directory(await this.#setup.folders.open(named))
  }

  /** The image that FROM names, or that `--from` names if no stage has the name. */
  async image(text: string, platform?: string): Promise<BaseImage> {
    const key = `${platform ?? ''} ${text}`
    const known = this.#images.get(key) ?? this.#resolve(text, platform)
    this.#images.set(key, known)
    return await known
  }

  async #resolve(text: string, platform: string | undefined): Promise<BaseImage> {
    const wanted = platform === undefined ? this.#platform : normalizePlatform(parsePlatform(platform))
    const named = this.#named(text, wanted)
    if (named !== undefined && named.kind !== 'image')
      throw new ToolError('NOT_AN_IMAGE', `the build context ${text} holds files, it is no image`)
    const image = named?.image ?? text
    if (named !== undefined && image === 'scratch') return scratchImage(wanted)
    return await resolveBase(image, { ...this.#setup.places, platform: wanted })
  }

  /** The context. If there is none, this still succeeds, and only reading from it fails: a heredoc needs no context. */
  async context(): Promise<Source> {
    const folder = await this.folder()
    if (folder !== undefined) return this.directory(folder)
    const why = 'it needs files of a build context: say which with --context DIR'
    const missed = (): never => {
      throw new ToolError('CONTEXT_MISSING', why)
    }
    return { tree: { kind: 'context', dir: '', ignore: [] }, key: missed }
  }

  /** The context as a directory; undefined if there is none. */
  async folder(): Promise<BuildContext | undefined> {
    const { context, folders } = this.#setup
    return context === undefined ? undefined : await folders.open(context)
  }

  /** A directory as a tree to copy from. */
  directory({ dir, ignore, keepsOwners }: BuildContext): Source {
    const { epoch, files } = this.#setup
    const context = { dir, ignore, ...(keepsOwners ? { keepsOwners } : {}) }
    return {
      tree: { kind: 'context', ...context },
      key: what => contextDigest(context, what, { epoch, files }),
      state: key => files.stateOf(key),
    }
  }

  // A context for one platform takes precedence over one for all.
  #named(name: string, platform: Platform = this.#platform): NamedContext | undefined {
    const { contexts } = this.#setup
    const plain = contextName(name)
    return contexts.get(`${plain}::${formatPlatform(platform)}`) ?? contexts.get(plain)
  }
}

// An image without files, whose config is that of FROM scratch.
function scratchImage(platform: Platform): BaseImage {
  const document = { ...scratchDocument(platform), rootfs: { type: 'layers', diff_ids: [] } }
  const config = parseConfig(Buffer.from(JSON.stringify(document)))
  return { config, layers: [], annotations: {}, mend: async () => false }
}

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

/** What names of a build stand for, and how that is reached. */
export interface SourceSetup {
  readonly context: ContextSource | undefined
  /** By {@link contextName}, perhaps with `::PLATFORM` behind. */
  readonly contexts: ReadonlyMap<string, NamedContext>
  readonly folders: ContextFolders
  readonly files: FileDigests
  readonly epoch: number | undefined
  readonly places: Omit<BaseOptions, 'platform'>
}

/**
 * The trees that a build reads besides its own stages: the context, named contexts, images. Each image once.
 *
 * Errors: `NOT_AN_IMAGE` where an image is wanted of a `--build-context` that holds files, `CONTEXT_MISSING` where files are
 * copied and no context was given, and those of {@link resolveBase}.
 */
export class BuildSources implements ClusterSources {
  readonly #setup: SourceSetup
  readonly #platform: Platform
  readonly #images = new Map<string, Promise<BaseImage>>()

  /** @param platform - of images for which nothing else is said */
  constructor(setup: SourceSetup, platform: Platform) {
    this.#setup = setup
    this.#platform = platform
  }

  /** Whether `--build-context` says what a name means; then no stage and no image is meant. */
  has(name: string): boolean {
    return this.#named(name) !== undefined
  }

  /** The files that FROM names: those of a build context that is no image. */
  async files(text: string, platform?: string): Promise<Source | undefined> {
    const wanted = platform === undefined ? undefined : normalizePlatform(parsePlatform(platform))
    const named = this.#named(text, wanted)
    if (named === undefined || named.kind === 'image') return undefined
    return this.directory(await this.#setup.folders.open(named))
  }

  /** The image that FROM names, or `--from` where no stage has the name. */
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

  /** The context. It is missed only when something is asked of it: a heredoc needs none. */
  async context(): Promise<Source> {
    const folder = await this.folder()
    if (folder !== undefined) return this.directory(folder)
    const why = 'it needs files of a build context: say which with --context DIR'
    const missed = (): never => {
      throw new ToolError('CONTEXT_MISSING', why)
    }
    return { tree: { kind: 'context', dir: '', ignore: [] }, key: missed }
  }

  /** The context as a directory; undefined where there is none. */
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

  // One for a platform comes before one for all.
  #named(name: string, platform: Platform = this.#platform): NamedContext | undefined {
    const { contexts } = this.#setup
    const plain = contextName(name)
    return contexts.get(`${plain}::${formatPlatform(platform)}`) ?? contexts.get(plain)
  }
}

// A name for what has no files: its config is that of FROM scratch.
function scratchImage(platform: Platform): BaseImage {
  const document = { ...scratchDocument(platform), rootfs: { type: 'layers', diff_ids: [] } }
  const config = parseConfig(Buffer.from(JSON.stringify(document)))
  return { config, layers: [], annotations: {}, mend: async () => false }
}

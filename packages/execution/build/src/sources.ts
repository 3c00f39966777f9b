import { ToolError } from '@pipelayer/errors'
import { formatPlatform, type Platform, parseConfig } from '@pipelayer/oci'
import { type BaseImage, resolveBase } from './base-image.js'
import { contextDigest } from './cache-key.js'
import { type BuildContext, contextName, type NamedContext } from './context.js'
import { scratchDocument } from './image-config.js'
import type { Source } from './layer-step.js'
import type { BuildSetup } from './options.js'
import { baseChain, type Chain } from './stage-state.js'

type SourceSetup = Pick<
  BuildSetup,
  'context' | 'contexts' | 'folders' | 'places' | 'platform' | 'parsePlatform' | 'time' | 'files'
>

/** The trees that a build reads besides its own stages: the context, named contexts, images. Each image once. */
export class Sources {
  readonly #setup: SourceSetup
  readonly #images = new Map<string, Promise<BaseImage>>()

  constructor(setup: SourceSetup) {
    this.#setup = setup
  }

  /** Whether `--build-context` says what a name means; then no stage and no image is meant. */
  has(name: string): boolean {
    return this.#named(name) !== undefined
  }

  /** The files that FROM names: those of a build context that is no image. */
  async files(text: string, platform?: string): Promise<Source | undefined> {
    const wanted = platform === undefined ? undefined : this.#setup.parsePlatform(platform)
    const named = this.#named(text, wanted)
    if (named === undefined || named.kind === 'image') return undefined
    return directorySource(await this.#setup.folders.open(named), this.#setup)
  }

  /** The image that FROM names, or `--from` where no stage has the name. */
  async image(text: string, platform?: string): Promise<BaseImage> {
    const key = `${platform ?? ''} ${text}`
    const known = this.#images.get(key) ?? this.#resolve(text, platform)
    this.#images.set(key, known)
    return await known
  }

  async #resolve(text: string, platform: string | undefined): Promise<BaseImage> {
    const wanted = platform === undefined ? this.#setup.platform : this.#setup.parsePlatform(platform)
    const named = this.#named(text, wanted)
    if (named !== undefined && named.kind !== 'image')
      throw new ToolError('NOT_AN_IMAGE', `the build context ${text} holds files, it is no image`)
    const image = named?.image ?? text
    if (named !== undefined && image === 'scratch') return scratchImage(wanted)
    return await resolveBase(image, { ...this.#setup.places, platform: wanted })
  }

  /** What `--from` names where no stage has the name. */
  async named(from: string): Promise<Source> {
    const named = this.#named(from)
    if (named !== undefined && named.kind !== 'image')
      return directorySource(await this.#setup.folders.open(named), this.#setup)
    return chainSource(baseChain(await this.image(from), this.#setup.time))
  }

  /** The context. It is missed only when something is asked of it: a heredoc needs none. */
  async context(): Promise<Source> {
    const { context, folders } = this.#setup
    if (context !== undefined) return directorySource(await folders.open(context), this.#setup)
    const why = 'it needs files of a build context: say which with --context DIR'
    const missed = (): never => {
      throw new ToolError('CONTEXT_MISSING', why)
    }
    return { tree: { kind: 'context', dir: '', ignore: [] }, key: missed }
  }

  // One for a platform comes before one for all.
  #named(name: string, platform: Platform = this.#setup.platform): NamedContext | undefined {
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

/** A directory as a tree to copy from. */
export function directorySource(
  { dir, ignore, keepsOwners }: BuildContext,
  { time, files }: Pick<BuildSetup, 'time' | 'files'>,
): Source {
  const context = { dir, ignore, ...(keepsOwners ? { keepsOwners } : {}) }
  return {
    tree: { kind: 'context', ...context },
    key: what => contextDigest(context, what, time.epoch, files),
    state: key => files.stateOf(key),
  }
}

/** A stage, or an image, as a tree to copy from. */
export function chainSource(chain: Chain): Source {
  return { tree: { kind: 'chain', chain }, key: () => chain.key }
}

import { ToolError } from '@pipelayer/errors'
import { type BaseImage, resolveBase } from './base-image.js'
import { contextDigest } from './cache-key.js'
import type { Source } from './layer-step.js'
import type { BuildSetup } from './options.js'
import { RemoteSources } from './remote-sources.js'
import { baseChain, type Chain } from './stage-state.js'

type SourceSetup = Pick<
  BuildSetup,
  'context' | 'contexts' | 'places' | 'platform' | 'parsePlatform' | 'time' | 'secrets' | 'files'
>

/** The trees that a build reads besides its own stages: the context, named contexts, images. Each image once. */
export class Sources {
  readonly #setup: SourceSetup
  readonly remotes: RemoteSources
  readonly #images = new Map<string, Promise<BaseImage>>()

  constructor(setup: SourceSetup) {
    this.#setup = setup
    this.remotes = new RemoteSources(setup)
  }

  /** Removes what was fetched for this build alone. */
  close(): void {
    this.remotes.close()
  }

  /** The image that FROM names, or `--from` where no stage has the name. */
  async image(text: string, platform?: string): Promise<BaseImage> {
    const key = `${platform ?? ''} ${text}`
    const known = this.#images.get(key) ?? this.#resolve(text, platform)
    this.#images.set(key, known)
    return await known
  }

  async #resolve(text: string, platform: string | undefined): Promise<BaseImage> {
    const named = this.#setup.contexts.get(text)
    if (named?.kind === 'dir')
      throw new ToolError('NOT_AN_IMAGE', `the build context ${text} is a directory, not an image`)
    return await resolveBase(named?.image ?? text, {
      ...this.#setup.places,
      platform: platform === undefined ? this.#setup.platform : this.#setup.parsePlatform(platform),
    })
  }

  /** What `--from` names where no stage has the name. */
  async named(from: string): Promise<Source> {
    const named = this.#setup.contexts.get(from)
    if (named?.kind === 'dir') return this.#directory(named)
    return chainSource(baseChain(await this.image(from), this.#setup.time))
  }

  /** The context. It is missed only when something is asked of it: a heredoc needs none. */
  context(): Source {
    const { context } = this.#setup
    if (context !== undefined) return this.#directory(context)
    const why = 'it needs files of a build context: say which with --context DIR'
    const missed = (): never => {
      throw new ToolError('CONTEXT_MISSING', why)
    }
    return { tree: { kind: 'context', dir: '', ignore: [] }, key: missed }
  }

  #directory({ dir, ignore }: { readonly dir: string; readonly ignore: readonly string[] }): Source {
    const context = { dir, ignore }
    return {
      tree: { kind: 'context', ...context },
      key: what => contextDigest(context, what, this.#setup.time.epoch, this.#setup.files),
    }
  }
}

/** A stage, or an image, as a tree to copy from. */
export function chainSource(chain: Chain): Source {
  return { tree: { kind: 'chain', chain }, key: () => chain.key }
}

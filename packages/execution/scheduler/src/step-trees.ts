import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import type { BaseImage, Chain, ChainStep, TreeRef } from '@pipelayer/planning'
import { contentDir, type StepCache, type StepFolder } from '@pipelayer/step-cache'
import {
  keyOf,
  type LayerToUnpack,
  type Note,
  type Request,
  type SourceRoot,
  type TreeForm,
} from '@pipelayer/steps'
import type { Store } from '@pipelayer/store'
import { ExecutorChild, type ExecutorOptions } from './executor-child.js'

interface Running {
  readonly executor: ExecutorChild
  readonly form: TreeForm
}

/** The directories of a chain, nearest first. */
interface Found {
  readonly lowers: readonly string[]
  /** It is one whole tree, or has no directories. */
  readonly isWhole: boolean
}

/** Receives the messages of a build. */
export interface Listener {
  readonly info: (message: string) => void
  readonly warn: (message: string) => void
  /** Lines that a step wrote, a newline between them; `from` is the step's place, as `Dockerfile:3`. */
  readonly output: (from: string, lines: Buffer) => void
}

export interface TreeOptions {
  readonly store: Store
  readonly cache: StepCache
  readonly executor: Omit<ExecutorOptions, 'work' | 'onNote'>
  readonly say: Listener
}

/** The trees of chains on disk. Missing ones are unpacked by the executor, which is started for the first of them. */
export class StepTrees {
  readonly #options: TreeOptions
  readonly #cache: StepCache
  readonly #unpacking = new Map<string, Promise<unknown>>()
  #running: Promise<Running> | undefined
  #isClosed = false

  constructor(options: TreeOptions) {
    this.#options = options
    this.#cache = options.cache
  }

  /**
   * Starts the executor, and returns it with the form in which it keeps trees. @throws {ToolError} `STOPPED` after
   * {@link close}
   */
  start(): Promise<Running> {
    if (this.#isClosed) throw new ToolError('STOPPED', 'the build has ended')
    this.#running ??= ExecutorChild.start({
      ...this.#options.executor,
      work: this.#options.store.tempDir('run'),
      onNote: note => this.#tell(note),
    })
    return this.#running
  }

  #tell(note: Note): void {
    const { warn, info, output } = this.#options.say
    if (note.note === 'output') output(note.from, Buffer.from(note.message, 'latin1'))
    else if (note.note === 'warning') warn(note.message)
    else info(note.message)
  }

  /** Ends the executor, if it was started. */
  async close(): Promise<void> {
    this.#isClosed = true
    const running = await this.#running?.catch(() => undefined)
    await running?.executor.close()
  }

  async locate(tree: TreeRef): Promise<SourceRoot> {
    return tree.kind === 'context' ? tree : { kind: 'chain', lowers: await this.lowers(tree.chain) }
  }

  /** The directories of a chain, nearest first. All of them exist when this returns. */
  async lowers(chain: Chain): Promise<readonly string[]> {
    return (await this.#find(chain)).lowers
  }

  async #find(chain: Chain): Promise<Found> {
    const lowers: string[] = []
    for (const step of chain.steps.toReversed()) {
      const folder = await this.folder(step)
      this.#options.store.touch(folder.dir)
      const whole = folder.form === 'tree' ? await this.#whole(step, folder) : undefined
      // A whole tree holds the files of everything below it.
      if (whole !== undefined) return { lowers: [...lowers, whole], isWhole: lowers.length === 0 }
      const dir = contentDir(folder)
      // The same linked step may be in a chain twice. The nearer directory hides the other one completely.
      if (!lowers.includes(dir)) lowers.push(dir)
    }
    const base = await this.#base(chain)
    return { lowers: [...lowers, ...base.lowers], isWhole: base.isWhole && lowers.length === 0 }
  }

  /** The whole tree up to a step in tree form; undefined for a linked step on a chain that is not in that form. */
  async #whole(step: ChainStep, folder: StepFolder): Promise<string | undefined> {
    const { onto, cacheKey, createdBy } = step
    const tree = contentDir(folder)
    if (onto === undefined) return tree
    const { lowers, isWhole } = await this.#find(onto)
    const [below] = lowers
    if (!isWhole) return undefined
    if (below === undefined) return tree
    const dir = this.#cache.dir(keyOf(onto.key, { merged: cacheKey }), 'tree')
    const { created } = await step.done()
    if (!fs.existsSync(dir)) await this.#once(dir, { op: 'merge', tree, below, dir, created, createdBy })
    return contentDir({ dir, form: 'tree' })
  }

  /** The folder of a step. If only its layer is in the store, the layer is unpacked. */
  async folder(step: ChainStep): Promise<StepFolder> {
    const { cacheKey, folder, created } = await step.done()
    if (folder) return folder
    const { form } = await this.start()
    const dir = this.#cache.dir(cacheKey, form)
    if (fs.existsSync(dir)) return { dir, form }
    const lowers = await this.lowers(step.below)
    const [packed] = this.#cache.packed(cacheKey).values()
    if (packed === undefined)
      throw new ToolError('STEP_LOST', `the layer of step ${cacheKey} is not in the store any more`)
    const layer = packed.blob && {
      ...packed.blob,
      blob: this.#options.store.blobPath(packed.blob.digest),
      diffID: packed.diffID ?? '',
    }
    const { createdBy } = step
    try {
      await this.#once(dir, { op: 'restore', lowers, dir, created, createdBy, ...(layer ? { layer } : {}) })
    } catch (error) {
      const { blob } = packed
      if (!(error instanceof ToolError) || !blob || (await this.#options.store.proveBlob(blob))) throw error
      const message = `the layer of step ${cacheKey} was damaged, and is set aside: build again, the step is executed anew`
      throw new ToolError('STEP_LOST', message, { cause: error })
    }
    return { dir, form }
  }

  async #base(chain: Chain): Promise<Found> {
    if (chain.base === undefined) return { lowers: [], isWhole: true }
    // If nothing has to be unpacked, the form shows on disk, and the executor need not be started to find it out.
    const form = this.#formOnDisk(chain) ?? (await this.start()).form
    const layers = this.#layersOf(chain, form)
    const dirs = layers.map(layer => layer.dir).reverse()
    const needed = form === 'tree' ? dirs.slice(0, 1) : dirs
    if (needed.some(dir => !fs.existsSync(dir))) {
      this.#options.say.info(`unpacking ${layers.length} layers of the base image`)
      await this.#once(needed[0] ?? '', { op: 'unpack', layers }, chain.base)
    }
    for (const dir of needed) this.#options.store.touch(dir)
    return { lowers: needed, isWhole: form === 'tree' || needed.length === 0 }
  }

  #formOnDisk(chain: Chain): TreeForm | undefined {
    const isHere = (form: TreeForm): boolean => {
      const dirs = this.#layersOf(chain, form).map(layer => layer.dir)
      return (form === 'tree' ? dirs.slice(-1) : dirs).every(dir => fs.existsSync(dir))
    }
    if (this.#running !== undefined) return undefined
    return (['overlay', 'tree'] as const).find(isHere)
  }

  /** @param base - the image whose layers are read; its damaged layers are fetched anew, and the request is repeated */
  async #once(dir: string, request: Request, base?: BaseImage): Promise<void> {
    const { executor } = await this.start()
    const ask = async (): Promise<unknown> => {
      try {
        return await executor.ask(request)
      } catch (error) {
        // A damaged blob can cause many errors, such as those of gzip or tar, so the files are read and checked.
        if (!(error instanceof ToolError) || !(await base?.mend())) throw error
        return await executor.ask(request)
      }
    }
    const asked = this.#unpacking.get(dir) ?? ask()
    this.#unpacking.set(dir, asked)
    await asked
  }

  #layersOf(chain: Chain, form: TreeForm): LayerToUnpack[] {
    return (chain.base?.layers ?? []).map(({ descriptor, diffID, chainID, path }) => ({
      blob: path,
      digest: descriptor.digest,
      size: descriptor.size,
      diffID,
      dir: this.#cache.layerDir(chainID, form),
    }))
  }
}

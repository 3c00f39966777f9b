import fs from 'node:fs'
import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import type { AnyRecord, SnapshotRecord } from '@pipelayer/records'
import { ExecutorChild } from './executor-child.js'
import type { LayerToUnpack, SourceRoot, TreeForm } from './executor-protocol.js'
import type { LayerStep, TreeRef } from './layer-step.js'
import type { BuildOptions, BuildSetup } from './options.js'
import type { Chain, DoneStep } from './stage-state.js'
import { contentDir, StepCache } from './step-cache.js'

interface Running {
  readonly executor: ExecutorChild
  readonly form: TreeForm
}

export interface WantedStep {
  readonly key: Digest
  /** The key without the nonce of --no-cache: what a later build looks for. */
  readonly plainKey: Digest
  readonly layer: LayerStep
  readonly title: string
}

/** The steps of a build: from the cache, else by the executor, which is started when the first is missing. */
export class Workshop {
  readonly #options: BuildOptions
  readonly #setup: BuildSetup
  readonly #cache: StepCache
  #running: Promise<Running> | undefined

  constructor(options: BuildOptions, setup: BuildSetup) {
    this.#options = options
    this.#setup = setup
    this.#cache = new StepCache(setup.store, setup.form)
  }

  /** Where caches of `--mount=type=cache` live. */
  get cacheDir(): string {
    return this.#cache.cacheDir()
  }

  /** The step of a key on a chain. */
  async step(chain: Chain, wanted: WantedStep): Promise<DoneStep> {
    const { key, layer, title } = wanted
    const known = this.#cache.find(key)
    this.#options.onInfo?.(known ? `${title} (cached)` : title)
    if (known) return known
    const { executor, form } = await this.#start()
    const lowers = await this.#ready(chain, form)
    await executor.ask({
      op: 'step',
      lowers,
      dir: this.#cache.dir(key, form),
      created: this.#setup.time.created,
      createdBy: layer.createdBy,
      action: await layer.action(tree => this.#locate(tree, form)),
    })
    if (wanted.plainKey !== key) this.#cache.replace(wanted.plainKey, key, form)
    const done = this.#cache.find(key)
    if (!done)
      throw new ToolError('STEP_LOST', `the step ${key} is not in the store, although it was executed`)
    return done
  }

  /** What goes down the pipe for a step: where its changes lie, and what they lie on. */
  async record(
    below: Chain,
    done: DoneStep,
    meta: Pick<SnapshotRecord, 'image' | 'index' | 'createdBy' | 'created'>,
  ): Promise<AnyRecord> {
    const lowers = await this.#lowersOnDisk(below, done.form)
    const [before] = lowers
    const where =
      done.form === 'overlay'
        ? { lowers, upper: contentDir(done), xattrs: this.#setup.idMap ? 'user' : 'trusted' }
        : { ...(before === undefined ? {} : { before }), after: contentDir(done) }
    const { idMap } = this.#setup
    return {
      type: 'snapshot',
      ...meta,
      ...where,
      ...(idMap ? { idMap } : {}),
      cacheKey: done.cacheKey,
    } as AnyRecord
  }

  /** Ends the executor. Safe to call when there is none. */
  async close(): Promise<void> {
    const running = await this.#running?.catch(() => undefined)
    await running?.executor.close()
  }

  #start(): Promise<Running> {
    this.#running ??= ExecutorChild.start({
      script: this.#options.executor,
      work: this.#setup.store.tempDir('run'),
      runtime: this.#options.runtime ?? 'auto',
      env: this.#options.env,
      uid: process.geteuid?.() ?? 0,
      signal: this.#options.signal,
      onNote: ({ note, message }) =>
        note === 'warning' ? this.#options.onWarning?.(message) : this.#options.onInfo?.(message),
    })
    return this.#running
  }

  async #locate(tree: TreeRef, form: TreeForm): Promise<SourceRoot> {
    if (tree.kind === 'context') return tree
    return { kind: 'chain', lowers: await this.#ready(tree.chain, form) }
  }

  // A cached step is read by whoever packs it, and that reads what lies below it too.
  async #lowersOnDisk(chain: Chain, form: TreeForm): Promise<string[]> {
    const lowers = this.#lowers(chain, form)
    if (lowers.every(dir => fs.existsSync(dir))) return lowers
    return await this.#ready(chain, (await this.#start()).form)
  }

  /** The directories of a chain, nearest first, its base unpacked. */
  async #ready(chain: Chain, form: TreeForm): Promise<string[]> {
    const lowers = this.#lowers(chain, form)
    const layers = this.#layersOf(chain, form)
    if (layers.some(({ dir }) => lowers.includes(dir) && !fs.existsSync(dir))) {
      this.#options.onInfo?.(`unpacking ${layers.length} layers of the base image`)
      await (await this.#start()).executor.ask({ op: 'unpack', layers })
    }
    return lowers
  }

  #lowers(chain: Chain, form: TreeForm): string[] {
    const lowers: string[] = []
    for (const step of chain.steps.toReversed()) {
      lowers.push(contentDir(step))
      // A whole tree needs nothing below it.
      if (step.form === 'tree') return lowers
    }
    const base = this.#layersOf(chain, form)
      .map(layer => layer.dir)
      .reverse()
    if (form === 'tree') return [...lowers, ...base.slice(0, 1)]
    return [...lowers, ...base]
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

import { expandWord, expandWords } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import type { AnyRecord } from '@pipelayer/records'
import type { BaseImage } from './base-image.js'
import { keyOf } from './cache-key.js'
import { applyConfig, type Expander, nextWorkdir } from './config-step.js'
import { createdBy, HISTORY_COMMENT } from './created-by.js'
import { alignHistory, fillTimes, newest } from './history.js'
import { childDocument, scratchDocument } from './image-config.js'
import type { LayerStep, Source } from './layer-step.js'
import { onbuildSteps } from './onbuild.js'
import type { BuildSetup } from './options.js'
import { findStage, type Plan, type StagePlan, type Step } from './plan.js'
import { planRun } from './run-request.js'
import { declareGlobalArg, type GlobalScope } from './scope.js'
import { chainSource, Sources } from './sources.js'
import { addHistory, baseChain, continueStage, type StageState, startStage } from './stage-state.js'
import { located, titleOf } from './step-place.js'
import { planTransfer } from './transfer-request.js'
import type { Workshop } from './workshop.js'

/** The key under which the records of the one image go. */
const IMAGE = '1'

/** Builds the stages of a plan: those that the target needs, each once. */
export class Builder {
  readonly #plan: Plan
  readonly #setup: BuildSetup
  readonly #workshop: Workshop
  readonly #outer: GlobalScope
  readonly #stages = new Map<number, StageState>()
  readonly #sources: Sources

  constructor(plan: Plan, setup: BuildSetup, workshop: Workshop) {
    this.#plan = plan
    this.#setup = setup
    this.#workshop = workshop
    this.#sources = new Sources(setup)
    this.#outer = { buildArgs: setup.buildArgs, globals: new Map(setup.platformArgs), used: new Set() }
  }

  get outer(): GlobalScope {
    return this.#outer
  }

  /** Removes what this build alone needed. */
  close(): void {
    this.#sources.close()
  }

  /** Builds the target. Its layers come as soon as they are there, its config last. */
  async *build(): AsyncGenerator<AnyRecord, void> {
    for (const { instruction, record } of this.#plan.globals) {
      if (instruction.kind !== 'arg') continue
      const word = (text: string): string =>
        expandWord(text, { env: this.#outer.globals, ...escapeOf(record) })
      for (const arg of instruction.args) declareGlobalArg(this.#outer, arg, word)
    }
    const state = yield* this.#stage(this.#plan.target, true)
    yield { type: 'config', image: IMAGE, config: this.#finish(state) }
  }

  async *#stage(plan: StagePlan, emit: boolean): AsyncGenerator<AnyRecord, StageState> {
    const known = this.#stages.get(plan.index)
    if (known) return known
    const state = yield* this.#begin(plan, emit)
    for (const step of [...onbuildSteps(state, plan), ...plan.steps]) yield* this.#step(state, step, emit)
    this.#stages.set(plan.index, state)
    return state
  }

  async *#begin(plan: StagePlan, emit: boolean): AsyncGenerator<AnyRecord, StageState> {
    const { instruction, record } = plan.from
    try {
      const text = this.#globalWord(instruction.base, record)
      if (text === '') throw new ToolError('FROM_EMPTY', `the image of FROM ${instruction.base} is empty`)
      const parent = this.#plan.stages.findLast(s => s.index < plan.index && s.name === text.toLowerCase())
      if (parent) return continueStage(plan.index, yield* this.#stage(parent, emit))
      const state = await this.#fromImage(plan, text)
      if (emit) yield* baseRecords(state.chain.base)
      return state
    } catch (error) {
      throw located(error, plan.from)
    }
  }

  async #fromImage(plan: StagePlan, text: string): Promise<StageState> {
    const { platform } = this.#setup
    if (text === 'scratch')
      return startStage(plan.index, scratchDocument(platform), baseChain(undefined, this.#setup.time))
    const { instruction, record } = plan.from
    const wanted =
      instruction.platform === undefined ? undefined : this.#globalWord(instruction.platform, record)
    const base = await this.#sources.image(text, wanted)
    const doc = childDocument(base.config, platform)
    doc.history = alignHistory(doc.history, base.layers.length)
    return startStage(plan.index, doc, baseChain(base, this.#setup.time))
  }

  async *#step(state: StageState, step: Step, emit: boolean): AsyncGenerator<AnyRecord> {
    try {
      const layer = await this.#planStep(state, step)
      if (layer === undefined) return
      yield* this.#execute(state, { step, layer, emit })
    } catch (error) {
      throw located(error, step)
    }
  }

  /** Applies what needs no execution; gives what does. */
  async #planStep(state: StageState, step: Step): Promise<LayerStep | undefined> {
    const { instruction } = step
    const expand = expander(state, step)
    switch (instruction.kind) {
      case 'from':
        throw new ToolError('FROM_UNEXPECTED', 'FROM cannot stand here')
      case 'run': {
        const sources = new Map<string, Source>()
        const request = { instruction, expand, setup: this.#setup, cacheDir: this.#workshop.cacheDir }
        return await planRun(state, request, async from => {
          const found = sources.get(from ?? '') ?? (await this.#source(state, from))
          sources.set(from ?? '', found)
          return found
        })
      }
      case 'copy':
      case 'add': {
        const from = instruction.kind === 'copy' ? instruction.from : undefined
        const source = await this.#source(
          state,
          from === undefined ? undefined : this.#globalWord(from, step.record),
        )
        return await planTransfer(state, {
          instruction,
          expand,
          timeNs: this.#setup.timeNs,
          epoch: this.#setup.time.epoch,
          source,
          remotes: this.#sources.remotes,
        })
      }
      case 'workdir':
        return this.#workdir(state, expand.word(instruction.path))
      default: {
        const line = applyConfig(state, instruction, expand, this.#outer)
        if (line !== undefined) this.#addEmpty(state, line)
        return undefined
      }
    }
  }

  #workdir(state: StageState, wanted: string): LayerStep | undefined {
    const path = nextWorkdir(state.doc.config.WorkingDir, wanted)
    const user = state.doc.config.User ?? ''
    state.doc.config.WorkingDir = path
    const line = createdBy.workdir(path)
    if (path === '/') {
      this.#addEmpty(state, line)
      return undefined
    }
    const action = { kind: 'workdir', path: Buffer.from(path).toString('latin1'), user } as const
    const timed = { ...action, timeNs: this.#setup.timeNs }
    return { createdBy: line, key: { ...action }, action: async () => timed }
  }

  /** The tree that `--from` names: a stage, a build context, an image; without it the context. */
  async #source(state: StageState, from: string | undefined): Promise<Source> {
    if (from === undefined) return this.#sources.context()
    const stage = findStage(this.#plan, from, state.stage)
    if (stage) {
      const built = this.#stage(stage, false)
      for (let next = await built.next(); ; next = await built.next())
        if (next.done) return chainSource(next.value.chain)
    }
    return await this.#sources.named(from)
  }

  async *#execute(
    state: StageState,
    { step, layer, emit }: { readonly step: Step; readonly layer: LayerStep; readonly emit: boolean },
  ): AsyncGenerator<AnyRecord> {
    const before = state.chain
    const plainKey = keyOf(before.key, layer.key)
    // A first step of a key never used makes all that follow new too: their keys begin with it.
    const isNew = this.#setup.nonce !== undefined && before.steps.length === 0
    const key = isNew ? keyOf(before.key, { ...layer.key, nonce: this.#setup.nonce }) : plainKey
    const done = await this.#workshop.step(before, { key, plainKey, layer, title: titleOf(step) })
    const created = this.#setup.time.fixed ? this.#setup.time.created : done.created
    const index = addHistory(state, { created, created_by: layer.createdBy, comment: HISTORY_COMMENT })
    state.chain = { base: before.base, steps: [...before.steps, done], key: done.cacheKey }
    if (!emit) return
    yield await this.#workshop.record(before, done, {
      image: IMAGE,
      index,
      createdBy: layer.createdBy,
      created,
    })
  }

  #addEmpty(state: StageState, line: string): void {
    const { fixed, created } = this.#setup.time
    const time = fixed ? { created } : {}
    addHistory(state, { ...time, created_by: line, comment: HISTORY_COMMENT, empty_layer: true })
  }

  #finish(state: StageState): Record<string, unknown> {
    const { time } = this.#setup
    const history = fillTimes(state.doc.history, state.inherited, time.created)
    return { ...state.doc, created: newest(history) ?? time.created, history }
  }

  #globalWord(text: string, record: Step['record']): string {
    return expandWord(text, { env: this.#outer.globals, ...escapeOf(record) })
  }
}

function* baseRecords(base: BaseImage | undefined): Generator<AnyRecord> {
  for (const { descriptor, diffID, path, from } of base?.layers ?? []) {
    const { mediaType, digest, size } = descriptor
    yield { type: 'layer', image: IMAGE, mediaType, digest, size, diffID, path, ...(from ? { from } : {}) }
  }
}

function expander(state: StageState, step: Step): Expander {
  const options = { env: state.scope.values(), ...escapeOf(step.record) }
  return { word: text => expandWord(text, options), words: text => expandWords(text, options) }
}

function escapeOf(record: Step['record']): { escape?: '\\' | '`' } {
  return record.escape === '`' ? { escape: '`' } : {}
}

import { posix } from 'node:path'
import { EMULATOR_HINT } from '@pipelayer/containers'
import { type ExpandOptions, expandWord, expandWords } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { addStep } from './add-step.js'
import { applyConfig, type Expander, nextWorkdir } from './config-step.js'
import { createdBy, HISTORY_COMMENT } from './created-by.js'
import { filesBase } from './files-base.js'
import { isForeign } from './foreign.js'
import { completeHistory } from './history.js'
import { childDocument, ensurePath, scratchDocument } from './image-config.js'
import type { LayerStep, Source } from './layer-step.js'
import { chainSource, namedSource } from './named-source.js'
import { onbuildSteps } from './onbuild.js'
import { findStage, type Plan, type StagePlan, type Step } from './plan.js'
import { type PlanRequest, timeNs } from './plan-request.js'
import { platformArgs } from './platform-args.js'
import { planRun } from './run-request.js'
import { declareGlobalArg, type GlobalScope } from './scope.js'
import {
  addHistory,
  baseChain,
  type Chain,
  continueStage,
  type StageState,
  startStage,
} from './stage-state.js'
import { located, namesOf } from './step-place.js'
import type { WantedStep } from './step-planner.js'
import { planTransfer } from './transfer-request.js'

/**
 * Plans the stages of a build: those that the target needs, each once. The steps are executed by the caller, when it
 * needs them.
 */
export class Builder {
  readonly #plan: Plan
  readonly #request: PlanRequest
  readonly #outer: GlobalScope
  readonly #stages = new Map<number, Promise<StageState>>()

  constructor(plan: Plan, request: PlanRequest) {
    this.#plan = plan
    this.#request = request
    const globals = new Map([...platformArgs(request), ['TARGETSTAGE', plan.target.name ?? 'default']])
    this.#outer = { buildArgs: request.buildArgs, globals, used: new Set() }
    for (const { instruction, record } of plan.globals) {
      if (instruction.kind !== 'arg') continue
      const word = (text: string): string =>
        expandWord(text, { env: this.#outer.globals, ...escapeOf(record) })
      for (const arg of instruction.args) declareGlobalArg(this.#outer, arg, word)
    }
  }

  get outer(): GlobalScope {
    return this.#outer
  }

  /** The planned target. */
  async target(): Promise<StageState> {
    return await this.#stage(this.#plan.target)
  }

  /** The file systems of all stages that the target needed to be planned, in the order of the file. */
  async chains(): Promise<Chain[]> {
    const stages = [...this.#stages].sort(([a], [b]) => a - b)
    return await Promise.all(stages.map(async ([, state]) => (await state).chain))
  }

  #stage(plan: StagePlan): Promise<StageState> {
    const known = this.#stages.get(plan.index)
    if (known) return known
    const state = this.#planStage(plan)
    // The error is thrown to the caller that needs the stage. A stage that is planned ahead may never be needed.
    state.catch(() => {})
    this.#stages.set(plan.index, state)
    return state
  }

  async #planStage(plan: StagePlan): Promise<StageState> {
    // Each stage begins in a turn of the event loop of its own, because a file may chain more stages than the stack can
    // hold.
    await undefined
    this.#planAhead(plan)
    const state = await this.#begin(plan)
    for (const step of [...onbuildSteps(state, plan), ...plan.steps]) {
      try {
        const layer = await this.#planStep(state, step)
        if (layer !== undefined) this.#addStep(state, step, layer)
      } catch (error) {
        throw located(error, step)
      }
    }
    return state
  }

  // Starts to plan the stages that this stage copies from, so that their base images are fetched at the same time.
  #planAhead(plan: StagePlan): void {
    for (const { instruction, record } of plan.steps) {
      if (instruction.kind !== 'copy' || instruction.from === undefined) continue
      try {
        const from = this.#globalWord(instruction.from, record)
        const stage = this.#isNamed(from) ? undefined : findStage(this.#plan, from, plan.index)
        if (stage) void this.#stage(stage)
      } catch {
        // The error is thrown when this step is planned.
      }
    }
  }

  async #begin(plan: StagePlan): Promise<StageState> {
    const { instruction, record } = plan.from
    try {
      const text = this.#globalWord(instruction.base, record)
      if (text === '') throw new ToolError('FROM_EMPTY', `the image of FROM ${instruction.base} is empty`)
      const parent = this.#earlierStage(text, plan.index)
      if (parent) return continueStage(plan.index, await this.#stage(parent))
      return await this.#fromImage(plan, text)
    } catch (error) {
      throw located(error, plan.from)
    }
  }

  // The name of a build context takes precedence over that of a stage.
  #isNamed(text: string): boolean {
    return this.#request.sources.has(text)
  }

  #earlierStage(name: string, before: number): StagePlan | undefined {
    if (this.#isNamed(name)) return undefined
    return this.#plan.stages.findLast(s => s.index < before && s.name === name.toLowerCase())
  }

  async #fromImage(plan: StagePlan, text: string): Promise<StageState> {
    const { platform, sources, time } = this.#request
    if (text === 'scratch')
      return startStage(plan.index, scratchDocument(platform), baseChain(undefined, time))
    const { instruction, record } = plan.from
    const wanted =
      instruction.platform === undefined ? undefined : this.#globalWord(instruction.platform, record)
    const files = await sources.files(text, wanted)
    if (files !== undefined) return await this.#fromFiles(plan, files, text)
    const base = await sources.image(text, wanted)
    const doc = childDocument(base.config, platform)
    ensurePath(doc)
    doc.history = completeHistory(doc.history, base.layers.length)
    return startStage(plan.index, doc, baseChain(base, time))
  }

  async #fromFiles(plan: StagePlan, files: Source, name: string): Promise<StageState> {
    const { platform, time } = this.#request
    const state = startStage(plan.index, scratchDocument(platform), baseChain(undefined, time))
    this.#addStep(state, plan.from, await filesBase(state, files, { plan: this.#request, name }))
    return state
  }

  /** Applies an instruction that changes only the config, or returns the step that has to be executed. */
  async #planStep(state: StageState, step: Step): Promise<LayerStep | undefined> {
    const { instruction } = step
    const expand = expander(state, step)
    switch (instruction.kind) {
      case 'from':
        throw new ToolError('FROM_UNEXPECTED', 'FROM cannot stand here')
      case 'run': {
        const sources = new Map<string, Source>()
        const request = { instruction, expand, plan: this.#request }
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
        return await planTransfer(state, { instruction, expand, source, plan: this.#request })
      }
      case 'workdir':
        return this.#workdir(state, expand.word(instruction.path))
      default: {
        const line = applyConfig(state, instruction, { expand, outer: this.#outer })
        if (line !== undefined) this.#addEmpty(state, line)
        return undefined
      }
    }
  }

  #workdir(state: StageState, wanted: string): LayerStep | undefined {
    const workdir = nextWorkdir(state.doc.config.WorkingDir, wanted)
    const user = state.doc.config.User ?? ''
    state.doc.config.WorkingDir = workdir
    const line = createdBy.workdir(workdir)
    const path = posix.resolve(workdir)
    if (path === '/') {
      this.#addEmpty(state, line)
      return undefined
    }
    const action = { kind: 'workdir', path: Buffer.from(path).toString('latin1'), user } as const
    const timed = { ...action, timeNs: timeNs(this.#request.time) }
    return { createdBy: line, key: { ...action }, action: async () => timed }
  }

  /** The tree that `--from` names: a stage, a build context or an image. Without `--from` it is the context. */
  async #source(state: StageState, from: string | undefined): Promise<Source> {
    if (from === undefined) return await this.#request.sources.context()
    const stage = this.#isNamed(from) ? undefined : findStage(this.#plan, from, state.stage)
    if (stage) return chainSource((await this.#stage(stage)).chain)
    return await namedSource(from, this.#request)
  }

  #addStep(state: StageState, step: Step, layer: LayerStep): void {
    const wanted = {
      layer,
      comment: HISTORY_COMMENT,
      ...namesOf(step),
      ...this.#foreign(state, step),
    }
    addStep(state, this.#request.steps, wanted)
  }

  // A command of another architecture needs an emulator, unless its step is found in a cache.
  #foreign(state: StageState, { instruction }: Step): Pick<WantedStep, 'check' | 'hint'> {
    const { architecture } = state.doc
    const { machine } = this.#request
    if (instruction.kind !== 'run' || !isForeign(architecture, machine.architecture)) return {}
    const hint = `it is for ${architecture}, this machine is ${machine.architecture}; if there is no emulator: ${EMULATOR_HINT}`
    return { check: () => machine.checkEmulator(architecture), hint }
  }

  #addEmpty(state: StageState, line: string): void {
    const { fixed, created } = this.#request.time
    const time = fixed ? { created } : {}
    addHistory(state, { ...time, created_by: line, comment: HISTORY_COMMENT, empty_layer: true })
  }

  #globalWord(text: string, record: Step['record']): string {
    return expandWord(text, { env: this.#outer.globals, ...escapeOf(record) })
  }
}

/**
 * The words of an instruction see the variables as they were before it; but each word of an ARG also sees the words
 * before it.
 */
function expander(state: StageState, step: Step): Expander {
  const before = state.scope.values()
  const options = (): ExpandOptions => ({
    env: step.instruction.kind === 'arg' ? state.scope.values() : before,
    ...escapeOf(step.record),
  })
  return { word: text => expandWord(text, options()), words: text => expandWords(text, options()) }
}

function escapeOf(record: Step['record']): { escape?: '\\' | '`' } {
  return record.escape === '`' ? { escape: '`' } : {}
}

import { interpret, isRemote } from '@pipelayer/dockerfile'
import { withArch } from '@pipelayer/kubefile'
import { type Platform, platformOf } from '@pipelayer/oci'
import { isAbsent, parsePlace } from '@pipelayer/places'
import {
  addHistory,
  addStep,
  type BaseImage,
  baseChain,
  type Chain,
  type ConfigExtras,
  childDocument,
  completeHistory,
  type GlobalScope,
  type LayerStep,
  located,
  namesOf,
  planTransfer,
  type Source,
  type StageState,
  scratchDocument,
  startStage,
} from '@pipelayer/planning'
import { parseNormalized } from '@pipelayer/reference'
import type { Action } from '@pipelayer/steps'
import { clusterFacts, imageFields } from './cluster-config.js'
import type { ClusterRequest } from './cluster-request.js'
import { addImagesStep, IMAGE_LIST } from './images-step.js'
import { kubefileArgs } from './kubefile-args.js'
import { type ClassicPlan, type KubefileRecord, valueOf } from './kubefile-plan.js'
import { baseCommands } from './sealer-base.js'

/** The registry in which sealer looks for a name without a domain. */
const SEALER_REGISTRY = 'registry.cn-qingdao.aliyuncs.com/sealer-io'

/**
 * Plans a Kubefile of the classic dialect, as sealer 0.7 builds it in lite mode: COPY and RUN make layers, CMD is
 * recorded, and the last layer holds, in `registry/`, the container images that the new layers name.
 */
export class ClassicBuilder {
  readonly outer: GlobalScope
  readonly #plan: ClassicPlan
  readonly #request: ClusterRequest
  readonly #args: ReadonlyMap<string, string>
  #state: Promise<StageState> | undefined

  constructor(plan: ClassicPlan, request: ClusterRequest) {
    this.#plan = plan
    this.#request = request
    this.#args = kubefileArgs(plan.args, request.buildArgs)
    // Build arguments that no ARG declares are accepted too.
    this.outer = { buildArgs: new Map(), globals: new Map(), used: new Set() }
  }

  async target(): Promise<StageState> {
    this.#state ??= this.#planned()
    return await this.#state
  }

  async chains(): Promise<Chain[]> {
    return [(await this.target()).chain]
  }

  async #planned(): Promise<StageState> {
    const state = await this.#begin()
    for (const record of this.#plan.steps) {
      try {
        await this.#step(state, record)
      } catch (error) {
        throw located(error, { record })
      }
    }
    this.#setCommands(state)
    await addImagesStep(state, this.#request)
    state.extras = () => this.#extras(state)
    return state
  }

  /** A cluster executes every CMD, those of the base first. Programs that do not know sealer look in `config.Cmd`. */
  #setCommands({ doc, chain }: StageState): void {
    const own = this.#plan.steps.filter(({ name }) => name === 'CMD').map(valueOf)
    const commands = [...(chain.base === undefined ? [] : baseCommands(chain.base)), ...own]
    if (commands.length === 0) delete doc.config.Cmd
    else doc.config.Cmd = commands
  }

  async #begin(): Promise<StageState> {
    const { from } = this.#plan
    const [text = ''] = from.args
    const { platform, time } = this.#request
    try {
      if (text === 'scratch') return startStage(0, bareDocument(platform), baseChain(undefined, time))
      const base = await this.#base(text)
      const doc = childDocument(base.config, platformOf(base.config) ?? platform)
      doc.history = completeHistory(doc.history, base.layers.length)
      return startStage(0, doc, baseChain(base, time))
    } catch (error) {
      throw located(error, { record: from })
    }
  }

  // A name without a domain means an image of this store, or else one of sealer's registry.
  async #base(text: string): Promise<BaseImage> {
    if (!isShortName(text) || this.#request.sources.has(text)) return await this.#request.sources.image(text)
    try {
      return await this.#request.sources.image(`store:${text}`)
    } catch (error) {
      if (!isAbsent(error)) throw error
      return await this.#request.sources.image(`${SEALER_REGISTRY}/${text}`)
    }
  }

  async #step(state: StageState, record: KubefileRecord): Promise<void> {
    if (record.name === 'CMD') {
      const { fixed, created } = this.#request.time
      const time = fixed ? { created } : {}
      addHistory(state, { ...time, created_by: lineOf(record), empty_layer: true })
      return
    }
    const layer = record.name === 'COPY' ? await this.#copy(state, record) : this.#run(record)
    this.#add(state, { layer, record })
  }

  /** Plans COPY. The destination is always a directory, and a source directory keeps its own name below it. */
  async #copy(state: StageState, record: KubefileRecord): Promise<LayerStep> {
    const [written = '', dest = ''] = record.args
    const source = withArch(written, this.#request.platform.architecture)
    const remote = isRemote(source)
    const flags = remote ? ['--keep-git-dir=true'] : []
    const args = [source, `/${dest}/`]
    const instruction = interpret({ ...record, name: remote ? 'ADD' : 'COPY', form: 'words', args, flags })
    if (instruction.kind !== 'copy' && instruction.kind !== 'add')
      throw new Error('COPY is read as something else')
    const plain = (word: string): string => word
    const layer = await planTransfer(state, {
      instruction: instruction.kind === 'add' ? { ...instruction, unpack: false } : instruction,
      expand: { word: plain, words: word => [word] },
      source: await this.#context(),
      plan: this.#request,
    })
    return {
      createdBy: lineOf(record),
      key: { ...layer.key, keepsNames: true },
      action: async locate => ({ ...(await layer.action(locate)), keepsNames: true }) as Action,
    }
  }

  // .dockerignore does not apply, as it is for Dockerfiles. A list with passwords is left out of the image.
  async #context(): Promise<Source> {
    const { sources } = this.#request
    const folder = await sources.folder()
    if (folder === undefined) return await sources.context()
    return sources.directory({ ...folder, ignore: [IMAGE_LIST] })
  }

  #run(record: KubefileRecord): LayerStep {
    const action = {
      kind: 'run',
      argv: ['/bin/sh', '-c', valueOf(record)],
      cwd: '/',
      user: '',
      network: this.#request.runs.network,
      mounts: [],
      env: [...this.#args],
      programs: this.#request.cluster.hostRun ? 'host' : 'any',
    } as const
    return { createdBy: lineOf(record), key: action, action: async () => action }
  }

  #add(
    state: StageState,
    { layer, record }: { readonly layer: LayerStep; readonly record: KubefileRecord },
  ): void {
    addStep(state, this.#request.steps, { layer, ...namesOf({ record }) })
  }

  async #extras(state: StageState): Promise<ConfigExtras> {
    const facts = clusterFacts(
      await this.#request.cluster.trees.lowersOf(state.chain),
      this.#request.platform,
    )
    const labels = state.doc.config.Labels ?? {}
    return { fields: imageFields(facts, { args: this.#args, labels }) }
  }
}

/** The config of a root filesystem, which is no container: it has no fields that say how to run one. */
function bareDocument(platform: Platform): ReturnType<typeof scratchDocument> {
  return { ...scratchDocument(platform), config: {} }
}

function lineOf(record: KubefileRecord): string {
  return `${record.name} ${valueOf(record)}`
}

/** Whether a text is a reference without a domain, and no place. */
function isShortName(text: string): boolean {
  if (parsePlace(text).transport !== 'docker' || text.startsWith('docker://')) return false
  return parseNormalized(text).domain === 'docker.io' && !/^(?:index\.)?docker\.io\//.test(text)
}

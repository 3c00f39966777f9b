import fs from 'node:fs'
import path from 'node:path'
import { SEALOS_TYPE, SEALOS_VERSION, SEALOS_VERSIONS } from '@pipelayer/kubefile'
import {
  Builder,
  type Chain,
  checkStageUses,
  type GlobalScope,
  makePlan,
  type StageState,
} from '@pipelayer/planning'
import type { ClusterRequest } from './cluster-request.js'
import { dockerfileSources } from './context-sources.js'
import { addImagesStep } from './images-step.js'
import type { KubefileRecord } from './kubefile-plan.js'

/** The folder of the context that `sealos build` fills with container images before it builds. */
const REGISTRY = 'registry'

/**
 * Plans a Kubefile of sealos: a Dockerfile whose last layer holds, in `registry/`, the container images that the context
 * and the new layers name.
 *
 * `sealos build` puts these images into the folder `registry` of the context first, so that nearly every Kubefile has
 * `COPY registry registry`. The context is only read here: where it has no such folder, that COPY copies nothing, and
 * the last layer has what it would have copied.
 */
export class SealosBuilder {
  readonly #records: readonly KubefileRecord[]
  readonly #target: string | undefined
  readonly #request: ClusterRequest
  #builder: Promise<Builder> | undefined
  #state: Promise<StageState> | undefined
  #outer: GlobalScope

  constructor(
    { records, target }: { readonly records: readonly KubefileRecord[]; readonly target: string | undefined },
    request: ClusterRequest,
  ) {
    this.#records = records
    this.#target = target
    this.#request = request
    this.#outer = { buildArgs: request.buildArgs, globals: new Map(), used: new Set() }
  }

  get outer(): GlobalScope {
    return this.#outer
  }

  async target(): Promise<StageState> {
    this.#state ??= this.#planned()
    return await this.#state
  }

  async chains(): Promise<Chain[]> {
    await this.target()
    return (await (await this.#builder)?.chains()) ?? []
  }

  async #planned(): Promise<StageState> {
    this.#builder ??= this.#read()
    const state = await (await this.#builder).target()
    setType(state, this.#request.cluster.type)
    await addImagesStep(state, this.#request, { scansContext: true })
    return state
  }

  async #read(): Promise<Builder> {
    const { sources } = this.#request
    const folder = await sources.folder()
    const lacks = folder !== undefined && !fs.existsSync(path.join(folder.dir, REGISTRY))
    const records = lacks ? this.#records.flatMap(withoutRegistry) : this.#records
    const builder = new Builder(sealosPlan(records, this.#target), {
      ...this.#request,
      sources: await dockerfileSources(sources),
    })
    this.#outer = builder.outer
    return builder
  }
}

/**
 * The stages of a Kubefile of sealos.
 *
 * @throws {ToolError} those of {@link makePlan} and {@link checkStageUses}
 */
export function sealosPlan(
  records: readonly KubefileRecord[],
  target: string | undefined,
): ReturnType<typeof makePlan> {
  const plan = makePlan(records, target)
  checkStageUses(plan.stages)
  return plan
}

/** A COPY from the context without `registry` among its sources, or nothing if that was the only one. */
function withoutRegistry(record: KubefileRecord): KubefileRecord[] {
  const { name, args, flags, heredocs = [] } = record
  if (name !== 'COPY' || flags.some(flag => flag.startsWith('--from'))) return [record]
  const isRegistry = (source: string): boolean => path.posix.join('/', source, '/') === `/${REGISTRY}/`
  const sources = args.slice(0, -1).filter(source => !isRegistry(source))
  if (sources.length === args.length - 1) return [record]
  if (sources.length === 0 && heredocs.length === 0) return []
  return [{ ...record, args: [...sources, ...args.slice(-1)] }]
}

/** A root filesystem without a version is refused by `sealos run`, so it gets one with its type. */
function setType({ doc }: StageState, type: string | undefined): void {
  if (type === undefined) return
  const { Labels = {} } = doc.config
  const version = type === 'rootfs' && Labels[SEALOS_VERSION] === undefined
  doc.config.Labels = {
    ...Labels,
    [SEALOS_TYPE]: type,
    ...(version ? { [SEALOS_VERSION]: String(SEALOS_VERSIONS[0]) } : {}),
  }
}

// Plans a Dockerfile that a test writes, on images, contexts and caches in memory, and gives the plan as lines of text.

import { type Digest, digestOf } from '@pipelayer/digest'
import { instructionFields, parseDockerfile } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { creationTime, type ImageConfig, parsePlatform } from '@pipelayer/oci'
import type { InstructionRecord } from '@pipelayer/records'
import { contentWith, type ImportedStep, type PackedStep } from '@pipelayer/step-cache'
import type { Action, SourceRoot } from '@pipelayer/steps'
import type { BaseImage } from '../src/base-image.js'
import { Builder } from '../src/builder.js'
import type { ImageDocument } from '../src/image-config.js'
import type { Source } from '../src/layer-step.js'
import { makePlan } from '../src/plan.js'
import type { PlanRequest } from '../src/plan-request.js'
import { unusedBuildArgs } from '../src/scope.js'
import type { Chain, ChainStep } from '../src/stage-state.js'
import { checkStageUses } from '../src/stage-uses.js'
import { StepKeys, type StepOrigin } from '../src/step-keys.js'
import type { WantedStep } from '../src/step-planner.js'
import { lineOf } from './plan-text.js'

/** Contents by name. */
export type Files = Readonly<Record<string, string>>

export interface PlanOptions {
  readonly target?: string
  /** The platform of the image; the machine is linux/amd64. */
  readonly platform?: string
  readonly args?: Readonly<Record<string, string>>
  /** The context holds `a`, `b`, `d/x` and `d/y` unless said. */
  readonly context?: Files
  /** The contexts of --build-context that hold files. */
  readonly contexts?: Readonly<Record<string, Files>>
  /** Fields of the configs of images, by the image's name. All other images exist too, with an empty config. */
  readonly images?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** The content of each image's layer, by the name of the image. */
  readonly layers?: Files
  /** The content of each web address. */
  readonly web?: Files
  readonly secrets?: readonly string[]
  readonly agents?: readonly string[]
  readonly epoch?: number
  readonly network?: 'host' | 'none'
  /** Other architectures whose programs the machine can start. */
  readonly emulators?: readonly string[]
  readonly allow?: readonly string[]
  /** The steps in the cache of this store, and in the cache of another machine. */
  readonly known?: ReadonlyMap<Digest, PackedStep | undefined>
  readonly imported?: ReadonlyMap<string, PackedStep>
  readonly nonce?: string
}

export interface Planned {
  /** One line for each step that the target needs, in the order of the stages in the file. */
  readonly lines: readonly string[]
  readonly steps: readonly PlannedLine[]
  readonly doc: ImageDocument
  /** `created_by` of each entry of the history; in brackets if the entry has no layer. */
  readonly history: readonly string[]
  /** Images that were asked for, with their platform if FROM names one. */
  readonly images: readonly string[]
  readonly unused: readonly string[]
}

export interface PlannedLine {
  readonly step: ChainStep
  readonly wanted: WantedStep
  readonly origin: StepOrigin['kind']
  readonly action: Action
  readonly line: string
}

const CONTEXT: Files = { a: 'A', b: 'B', 'd/x': 'X', 'd/y': 'Y' }
const NOW = new Date('2024-01-01T00:00:00Z')

/** The records that kf-parse would write. */
export function recordsOf(dockerfile: string): InstructionRecord[] {
  const file = parseDockerfile(dockerfile)
  let stage = -1
  return file.instructions.map((node, index) => {
    if (node.cmd.toLowerCase() === 'from') stage++
    const fields = instructionFields(node, { file: 'Dockerfile', escape: file.escape })
    return { type: 'instruction', stage, index, ...fields } as unknown as InstructionRecord
  })
}

/** Plans a Dockerfile as kf-run does. Errors in the file are thrown. */
export async function planOf(dockerfile: string, options: PlanOptions = {}): Promise<Planned> {
  const plan = makePlan(recordsOf(dockerfile), options.target)
  checkStageUses(plan.stages)
  const wanted = new Map<string, { readonly wanted: WantedStep; readonly origin: StepOrigin['kind'] }>()
  const names = new Map<BaseImage, string>()
  const keys = stepKeys(options, (origin, step) => {
    const key = origin.kind === 'known' ? origin.done.cacheKey : origin.cacheKey
    wanted.set(key, { wanted: step, origin: origin.kind })
  })
  const builder = new Builder(plan, requestOf(options, { keys, names }))
  const { doc } = await builder.target()
  const steps: PlannedLine[] = []
  const numbers = new Map<string, number>()
  const nameOf = (chain: Chain): string => {
    const last = chain.steps.at(-1)
    if (last !== undefined) return `step ${numbers.get(placeIn(last))}`
    return chain.base === undefined ? 'scratch' : `image ${names.get(chain.base)}`
  }
  for (const step of (await builder.chains()).flatMap(chain => chain.steps)) {
    const found = wanted.get(step.cacheKey)
    if (found === undefined || numbers.has(placeIn(step))) continue
    numbers.set(placeIn(step), steps.length + 1)
    const action = await found.wanted.layer.action(async tree => located(tree, nameOf))
    const on = step.onto === undefined ? nameOf(step.below) : `nothing, laid on ${nameOf(step.onto)}`
    const { createdBy } = step
    const emulated = found.wanted.check === undefined ? [] : ['(emulated)']
    const origin = found.origin === 'missing' ? [] : [`(${found.origin})`]
    const text = lineOf(action, { number: steps.length + 1, createdBy, on })
    steps.push({ step, ...found, action, line: [text, ...emulated, ...origin].join(' ') })
  }
  return {
    lines: steps.map(({ line }) => line),
    steps,
    doc,
    history: doc.history.map(({ comment = '', created_by = comment, empty_layer }) =>
      empty_layer ? `(${created_by})` : created_by.replace(/ # buildkit$/, ''),
    ),
    images: [...names.values()],
    unused: unusedBuildArgs(builder.outer),
  }
}

// The same linked step may be in a chain twice.
function placeIn({ cacheKey, onto }: ChainStep): string {
  return `${cacheKey} ${onto?.key}`
}

function stepKeys(
  { epoch, nonce, known, imported }: PlanOptions,
  note: (origin: StepOrigin, wanted: WantedStep) => void,
): StepKeys {
  return new StepKeys({
    time: timeOf(epoch),
    nonce,
    known: {
      find: key => (known?.has(key) ? { cacheKey: key, created: '' } : undefined),
      packed: key => known?.get(key),
      imported: (shared, on) => importedStep(imported?.get(`${shared} ${on}`)),
    },
    obtain: (origin, _, wanted) => {
      note(origin, wanted)
      return async () => {
        throw new Error('a plan executes nothing')
      }
    },
  })
}

// Planning reads only the layer of a cached step.
function importedStep(packed: PackedStep | undefined): ImportedStep | undefined {
  return packed && ({ packed, name: 'cache' } as ImportedStep)
}

function timeOf(epoch: number | undefined): PlanRequest['time'] {
  return creationTime({ sourceDateEpoch: epoch?.toString(), created: undefined, now: NOW })
}

function located(
  tree: Source['tree'],
  nameOf: (chain: Chain) => string,
): Extract<SourceRoot, { readonly kind: 'chain' | 'context' }> {
  return tree.kind === 'context' ? tree : { kind: 'chain', lowers: [nameOf(tree.chain)] }
}

function requestOf(
  options: PlanOptions,
  { keys, names }: { readonly keys: StepKeys; readonly names: Map<BaseImage, string> },
): PlanRequest {
  const secrets = (options.secrets ?? []).map(id => [id, { env: id }] as const)
  const agents = (options.agents ?? []).map(id => [id, { socket: id }] as const)
  return {
    platform: parsePlatform(options.platform ?? 'linux/amd64'),
    machine: { os: 'linux', architecture: 'amd64', checkEmulator: emulatorsOf(options) },
    buildArgs: new Map(Object.entries(options.args ?? {})),
    time: timeOf(options.epoch),
    runs: {
      network: options.network ?? 'host',
      allow: new Set(options.allow),
      secrets: new Map(secrets),
      ssh: new Map(agents),
      cacheDir: '/caches',
    },
    sources: sourcesOf(options, names),
    remotes: {
      find: async (source, request) => ({
        key: { source, ...request, content: options.web?.[source] ?? '' },
        fetch: async before => ({
          kind: 'file',
          before,
          path: source,
          name: source,
          timeNs: '0',
          unpack: request.unpack ?? false,
        }),
      }),
    },
    blobs: {} as PlanRequest['blobs'],
    steps: keys,
  }
}

function emulatorsOf({ emulators }: PlanOptions): PlanRequest['machine']['checkEmulator'] {
  return architecture => {
    if (!emulators?.includes(architecture)) throw new ToolError('EMULATOR_MISSING', architecture)
  }
}

function sourcesOf(options: PlanOptions, names: Map<BaseImage, string>): PlanRequest['sources'] {
  const { contexts = {}, context = CONTEXT } = options
  const images = new Map<string, BaseImage>()
  return {
    has: name => name in contexts,
    files: async name => (contexts[name] === undefined ? undefined : files(name, contexts[name])),
    context: async () => files('context', context),
    image: async (name, platform) => {
      const shown = platform === undefined ? name : `${name} for ${platform}`
      const known = images.get(shown) ?? imageOf(name, platform, options)
      images.set(shown, known)
      names.set(known, shown)
      return known
    },
  }
}

function imageOf(name: string, wanted: string | undefined, options: PlanOptions): BaseImage {
  const { os, architecture } = parsePlatform(wanted ?? options.platform ?? 'linux/amd64')
  const diffID = digestOf(`${name} ${architecture} ${options.layers?.[name] ?? ''}`)
  const config = {
    os,
    architecture,
    rootfs: { type: 'layers', diff_ids: [diffID] },
    ...options.images?.[name],
  }
  const descriptor = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: diffID, size: 1 }
  return {
    config: config as unknown as ImageConfig,
    layers: [{ descriptor, diffID, chainID: diffID, path: `/${name}` }],
    annotations: {},
    mend: async () => false,
  }
}

// As with a context on disk, a missing name without wildcards is an error, and the key covers only the wanted files.
function files(name: string, content: Files): Source {
  return {
    tree: { kind: 'context', dir: name, ignore: [] },
    key: what => {
      const found = what.sources.flatMap(source => filesOf(source, content))
      return digestOf(JSON.stringify([what, found]))
    },
  }
}

function filesOf(source: string, content: Files): [string, string][] {
  const clean = source.replace(/^[./]+|\/$/g, '')
  const found = Object.entries(content).filter(
    ([name]) => clean === '' || name === clean || name.startsWith(`${clean}/`) || clean.includes('*'),
  )
  if (found.length === 0) throw new ToolError('NOT_FOUND', `"/${clean}": not found`)
  return found
}

/** The steps of a plan as a cache of this store, as if each had been executed and packed into a layer of its own. */
export function asKnown({ steps }: Planned): ReadonlyMap<Digest, PackedStep> {
  return new Map(steps.map(({ step }) => [step.cacheKey, packedOf(step)]))
}

/** The steps of a plan as a cache that another machine wrote. */
export function asImported({ steps }: Planned): ReadonlyMap<string, PackedStep> {
  const contentOf = (chain: Chain): Digest | undefined =>
    chain.steps.reduce<Digest | undefined>(
      (below, step) => contentWith(below, packedOf(step).diffID),
      chain.base?.layers.at(-1)?.chainID ?? '',
    )
  return new Map(steps.map(({ step }) => [`${step.shared} ${contentOf(step.below)}`, packedOf(step)]))
}

function packedOf(step: ChainStep): PackedStep {
  const diffID = digestOf(`layer of ${step.shared}`)
  const blob = { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: diffID, size: 1 }
  return { created: '', diffID, blob }
}

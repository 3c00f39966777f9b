import fs from 'node:fs'
import path from 'node:path'
import { expandWord } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import {
  type Application,
  type ApplicationSource,
  EXTENSION,
  type KubefileMeaning,
  kubefileMeaning,
  SEALER_TYPES,
} from '@pipelayer/kubefile'
import {
  Builder,
  type Chain,
  type ConfigExtras,
  checkStageUses,
  type GlobalScope,
  makePlan,
  platformArgs,
  type StageState,
} from '@pipelayer/planning'
import type { InstructionRecord } from '@pipelayer/records'
import type { BuildContext } from '@pipelayer/steps'
import type { ClusterRequest } from './cluster-request.js'
import { dockerfileSources } from './context-sources.js'
import { addImagesStep } from './images-step.js'
import type { KubefileRecord } from './kubefile-plan.js'

const APP_ROOT = 'application/apps'
const MAX_FILES = 100_000

/** Plans a Kubefile of the newer dialect: first the equivalent Dockerfile, then the images that it names. */
export class NewerBuilder {
  readonly #records: readonly KubefileRecord[]
  readonly #request: ClusterRequest
  #meaning:
    | Promise<{ readonly meaning: KubefileMeaning<KubefileRecord>; readonly builder: Builder }>
    | undefined
  #state: Promise<StageState> | undefined
  #outer: GlobalScope

  constructor(records: readonly KubefileRecord[], request: ClusterRequest) {
    this.#records = records
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
    return (await (await this.#meaning)?.builder.chains()) ?? []
  }

  async #planned(): Promise<StageState> {
    this.#meaning ??= this.#read()
    const { meaning, builder } = await this.#meaning
    const state = await builder.target()
    setCommands(state, meaning.cmds)
    await addImagesStep(state, this.#request)
    state.extras = async () => this.#extras(meaning)
    return state
  }

  async #read(): Promise<{ meaning: KubefileMeaning<KubefileRecord>; builder: Builder }> {
    const { sources } = this.#request
    const folder = await sources.folder()
    const meaning = kubefileMeaning(this.#records, {
      appRoot: APP_ROOT,
      arch: this.#request.platform.architecture,
      inherited: await this.#inherited(),
      source: applicationSources(folder),
    })
    const records = meaning.dockerfile.map(
      ({ of, fields }, index): InstructionRecord => ({
        ...fields,
        type: 'instruction',
        dialect: 'dockerfile',
        stage: of.stage,
        index,
      }),
    )
    const plan = makePlan(records)
    checkStageUses(plan.stages)
    const builder = new Builder(plan, { ...this.#request, sources: await dockerfileSources(sources) })
    this.#outer = builder.outer
    return { meaning, builder }
  }

  /** The applications of the base. */
  async #inherited(): Promise<readonly Application[]> {
    const from = this.#records.findLast(record => record.name === 'FROM')
    const text = from === undefined ? '' : expandWord(from.args[0] ?? '', { env: this.#globals() })
    const stages = this.#records.filter(record => record.name === 'FROM').map(record => record.args[2])
    if (text === '' || text === 'scratch' || stages.includes(text)) return []
    const platform = from?.flags.find(flag => flag.startsWith('--platform='))?.slice('--platform='.length)
    const { annotations } = await this.#request.sources.image(text, platform)
    return inheritedApplications(annotations[EXTENSION])
  }

  #globals(): Map<string, string> {
    const globals = new Map(platformArgs(this.#request))
    for (const record of this.#records) {
      if (record.name === 'FROM') break
      for (const arg of record.args) {
        const [name = '', ...value] = arg.split('=')
        globals.set(name, this.#request.buildArgs.get(name) ?? value.join('='))
      }
    }
    return globals
  }

  #extras(meaning: KubefileMeaning<KubefileRecord>): ConfigExtras {
    const applications = [...meaning.applications.values()].map(app => ({
      name: app.name,
      ...(app.type === '' ? {} : { type: app.type }),
      ...(app.launchFiles.length === 0 ? {} : { launchfiles: app.launchFiles }),
      ...(Object.keys(app.env).length === 0 ? {} : { env: app.env }),
      ...(app.cmds.length === 0 ? {} : { cmds: app.cmds }),
      version: 'v1',
    }))
    const extension = {
      buildClient: { sealerVersion: '', buildahVersion: '' },
      schemaVersion: 'v1alpha1',
      type: this.#request.cluster.type ?? SEALER_TYPES[0],
      ...(applications.length === 0 ? {} : { applications }),
      ...(Object.keys(meaning.env).length === 0 ? {} : { env: meaning.env }),
      launch: {
        ...(meaning.cmds.length === 0 ? {} : { cmds: meaning.cmds }),
        ...(meaning.launch.length === 0 ? {} : { app_names: meaning.launch }),
      },
    }
    return { fields: {}, annotations: { [EXTENSION]: JSON.stringify(extension) } }
  }
}

/**
 * The commands of the annotation stand in `config.Cmd` too, where other programs look for them. Those of a base are not
 * in the annotation, and so not there.
 */
function setCommands({ doc }: StageState, commands: readonly string[]): void {
  if (commands.length === 0) delete doc.config.Cmd
  else doc.config.Cmd = [...commands]
}

/** Finds the files that a name of the context stands for. */
function applicationSources(context: BuildContext | undefined): (name: string) => ApplicationSource {
  return name => {
    const full = path.join(context?.dir ?? '', path.posix.resolve('/', name))
    const isDir = context && fs.lstatSync(full, { throwIfNoEntry: false })?.isDirectory() === true
    return isDir ? { name, files: filesBelow(full) } : { name }
  }
}

function filesBelow(dir: string): string[] {
  const files: string[] = []
  for (const entry of fs.readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue
    files.push(path.relative(dir, path.join(entry.parentPath, entry.name)))
    if (files.length > MAX_FILES)
      throw new ToolError('SOURCE_INVALID', `an application of more than ${MAX_FILES} files`)
  }
  return files.sort()
}

/**
 * Reads the applications of a base from its annotation. Entries that describe no application are left out.
 *
 * @throws {ToolError} `EXTENSION_INVALID` if it is no JSON
 */
function inheritedApplications(text: string | undefined): Application[] {
  if (text === undefined) return []
  try {
    const list: unknown = Reflect.get(JSON.parse(text) as object, 'applications')
    return Array.isArray(list) ? list.flatMap(inheritedApplication) : []
  } catch (error) {
    throw new ToolError(
      'EXTENSION_INVALID',
      `the annotation ${EXTENSION} of the base: ${(error as Error).message}`,
    )
  }
}

function inheritedApplication(value: unknown): Application[] {
  if (typeof value !== 'object' || value === null) return []
  const field = (name: string): unknown => Reflect.get(value, name)
  const name = field('name')
  if (typeof name !== 'string' || name === '') return []
  const type = (['helm', 'kube', 'shell'] as const).find(known => known === field('type')) ?? ''
  return [
    {
      name,
      type,
      launchFiles: texts(field('launchfiles')),
      env: pairs(field('env')),
      cmds: texts(field('cmds')),
    },
  ]
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : []
}

function pairs(value: unknown): Record<string, string> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value).filter(([, item]) => typeof item === 'string'))
}

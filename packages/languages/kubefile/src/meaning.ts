/**
 * The meaning of a Kubefile of the newer dialect: the Dockerfile that it stands for, and its applications.
 *
 *     APP CNI CSI   COPY and ADD into the folder of the application; for CNI and CSI a LABEL too
 *     KUBEVERSION   a LABEL
 *     CMD CMDS LAUNCH APPENV APPCMDS ENV   the extension of the image
 *
 * Spec: sealerio/sealer v0.11.0, build/kubefile/parser/kubefile.go; pkg/define/image/v1
 *
 * @module
 */

import { type ApplicationSource, type ApplicationType, applicationType, launchFiles } from './application.js'
import { type KubefileFields, refuse } from './fields.js'

/** One application of an image. */
export interface Application {
  readonly name: string
  readonly type: ApplicationType
  readonly launchFiles: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cmds: readonly string[]
}

/** One instruction of the Dockerfile; `of` is the instruction of the Kubefile that asks for it. */
export interface LoweredInstruction<T extends KubefileFields> {
  readonly of: T
  readonly fields: KubefileFields
}

export interface KubefileMeaning<T extends KubefileFields> {
  readonly dockerfile: readonly LoweredInstruction<T>[]
  /** The applications by name, with those of the base. */
  readonly applications: ReadonlyMap<string, Application>
  readonly env: Readonly<Record<string, string>>
  /** The applications that LAUNCH names. */
  readonly launch: readonly string[]
  /** The commands of CMD and CMDS. */
  readonly cmds: readonly string[]
}

export interface MeaningOptions {
  /** Where applications go: `application/apps` in an image. */
  readonly appRoot: string
  /** What `$ARCH` stands for in the sources of COPY. */
  readonly arch: string
  /** Applications of the base. */
  readonly inherited?: readonly Application[]
  /** Finds the files at a path of the build context. */
  readonly source: (name: string) => ApplicationSource
}

const LABELS = {
  cni: 'cluster.alpha.sealer.io/kube-cni-',
  csi: 'cluster.alpha.sealer.io/kube-csi-',
  kubeVersion: 'app.alpha.sealer.io/supported-kube-version',
} as const
const LOCAL = 'local://'

/**
 * Reads the instructions of {@link parseKubefile}.
 *
 * @throws ToolError `KUBEFILE_INVALID` where an application is unknown, or cannot be started
 */
export function kubefileMeaning<T extends KubefileFields>(
  list: readonly T[],
  options: MeaningOptions,
): KubefileMeaning<T> {
  const reader = new Reader<T>(options)
  for (const fields of list) reader.read(fields)
  return reader.finish()
}

interface Draft<T> {
  readonly at: T | undefined
  readonly name: string
  readonly type: ApplicationType
  readonly launchFiles: readonly string[]
  env: Record<string, string>
  cmds: readonly string[]
}

class Reader<T extends KubefileFields> {
  readonly #options: MeaningOptions
  readonly #dockerfile: LoweredInstruction<T>[] = []
  readonly #apps = new Map<string, Draft<T>>()
  readonly #env: Record<string, string> = {}
  readonly #launch: string[] = []
  readonly #cmds: string[] = []

  constructor(options: MeaningOptions) {
    this.#options = options
    for (const app of options.inherited ?? [])
      this.#apps.set(app.name, { ...app, at: undefined, env: { ...app.env } })
  }

  read(fields: T): void {
    switch (fields.name) {
      case 'APP':
      case 'CNI':
      case 'CSI':
        this.#application(fields)
        break
      case 'APPENV':
        this.#appEnv(fields)
        break
      case 'APPCMDS':
        this.#known(fields, fields.args[0] ?? '').cmds = fields.args.slice(1)
        break
      case 'KUBEVERSION':
        this.#label(fields, LABELS.kubeVersion, fields.args.join(' '))
        break
      case 'LAUNCH':
        for (const name of fields.args) this.#launch.push(this.#known(fields, name.trim()).name)
        break
      case 'CMD':
      case 'CMDS':
        this.#cmds.push(...fields.args)
        break
      default:
        this.#shared(fields)
    }
  }

  finish(): KubefileMeaning<T> {
    for (const { at, name, type, cmds } of this.#apps.values())
      if (at !== undefined && type === '' && cmds.length === 0)
        refuse(
          at,
          `how ${JSON.stringify(name)} is started cannot be told from its files: give it with APPCMDS`,
        )
    const applications = new Map([...this.#apps].map(([name, { at: _, ...app }]) => [name, app]))
    return {
      dockerfile: this.#dockerfile,
      applications,
      env: this.#env,
      launch: this.#launch,
      cmds: this.#cmds,
    }
  }

  #shared(fields: T): void {
    if (fields.name === 'ENV')
      for (let at = 0; at + 1 < fields.args.length; at += 3)
        this.#env[unquoted(fields.args[at] ?? '')] = unquoted(fields.args[at + 1] ?? '')
    this.#dockerfile.push({ of: fields, fields: fields.name === 'COPY' ? this.#withArch(fields) : fields })
  }

  #withArch(fields: T): KubefileFields {
    const { arch } = this.#options
    return {
      ...fields,
      args: fields.args.map((arg, at) => (at < fields.args.length - 1 ? withArch(arg, arch) : arg)),
    }
  }

  #application(fields: T): void {
    const [name = '', ...urls] = fields.args
    const dest = `${this.#options.appRoot}/${name}/`
    const local = urls.filter(url => url.startsWith(LOCAL)).map(url => url.slice(LOCAL.length))
    const remote = urls.filter(url => !url.startsWith(LOCAL))
    if (local.length > 0) this.#transfer(fields, 'COPY', [...local, dest])
    if (remote.length > 0) this.#transfer(fields, 'ADD', [...remote, dest])
    const sources = [...local.map(this.#options.source), ...remote.map(url => ({ name: fileOf(url) }))]
    const type = applicationType(sources)
    const app = { name, type, launchFiles: launchFiles({ name, type }, sources) }
    this.#apps.set(name, { ...app, at: fields, env: {}, cmds: [] })
    if (fields.name === 'CNI') this.#label(fields, `${LABELS.cni}${name}`, 'true')
    if (fields.name === 'CSI') this.#label(fields, `${LABELS.csi}${name}`, 'true')
  }

  #appEnv(fields: T): void {
    const app = this.#known(fields, fields.args[0] ?? '')
    for (const pair of fields.args.slice(1)) {
      const sign = pair.indexOf('=')
      app.env[pair.slice(0, sign)] = pair.slice(sign + 1)
    }
  }

  #known(fields: T, name: string): Draft<T> {
    return this.#apps.get(name) ?? refuse(fields, `the image has no application ${JSON.stringify(name)}`)
  }

  #transfer(fields: T, name: 'COPY' | 'ADD', args: readonly string[]): void {
    this.#add(fields, { name, form: 'words', args, raw: `${name.toLowerCase()} ${args.join(' ')}` })
  }

  #label(fields: T, name: string, value: string): void {
    const quoted = JSON.stringify(value)
    this.#add(fields, {
      name: 'LABEL',
      form: 'pairs',
      args: [name, quoted, '='],
      raw: `LABEL ${name}=${quoted}`,
    })
  }

  #add(of: T, made: Pick<KubefileFields, 'name' | 'form' | 'args' | 'raw'>): void {
    const { dialect, source, escape } = of
    this.#dockerfile.push({
      of,
      fields: { dialect, source, ...(escape === undefined ? {} : { escape }), flags: [], ...made },
    })
  }
}

/**
 * The source of a COPY with `$ARCH` and `${ARCH}` replaced by the architecture of the build, as sealer does it for both
 * dialects since 0.8.
 */
export function withArch(word: string, arch: string): string {
  return word.replace(/\$(?:\{ARCH\}|ARCH(?![A-Za-z0-9_]))/g, () => arch)
}

function fileOf(url: string): string {
  const path = url.replace(/[?#].*$/, '')
  return path.slice(path.lastIndexOf('/') + 1)
}

function unquoted(word: string): string {
  return word.replace(/^(["'])(.*)\1$/s, '$2')
}

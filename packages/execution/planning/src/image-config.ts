import { DEFAULT_PATH } from '@pipelayer/containers'
import type { HealthcheckInstruction } from '@pipelayer/dockerfile'

/**
 * The field `config` of an image's config, with the fields that Docker adds to OCI's. Spec: image-spec v1.1, config.md.
 */
export interface RuntimeConfig {
  User?: string
  ExposedPorts?: Record<string, object>
  Env?: string[]
  Entrypoint?: string[]
  Cmd?: string[]
  Volumes?: Record<string, object>
  WorkingDir?: string
  Labels?: Record<string, string>
  StopSignal?: string
  Healthcheck?: Healthcheck
  ArgsEscaped?: boolean
  OnBuild?: string[]
  Shell?: string[]
  [field: string]: unknown
}

/** Times are in nanoseconds; an absent one means the engine's default. */
export interface Healthcheck {
  readonly Test: readonly string[]
  readonly Interval?: number
  readonly Timeout?: number
  readonly StartPeriod?: number
  readonly StartInterval?: number
  readonly Retries?: number
}

export interface HistoryEntry {
  created?: string
  created_by?: string
  author?: string
  comment?: string
  empty_layer?: boolean
}

/** The config of an image while it is built. Fields of a base image that we do not know stay as they are. */
export interface ImageDocument {
  created?: string
  author?: string
  architecture: string
  os: string
  variant?: string
  config: RuntimeConfig
  history: HistoryEntry[]
  [field: string]: unknown
}

const DEFAULT_SHELL = ['/bin/sh', '-c']

export interface TargetPlatform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

/** The config of `FROM scratch`. */
export function scratchDocument(platform: TargetPlatform): ImageDocument {
  return {
    architecture: platform.architecture,
    os: platform.os,
    ...(platform.variant === undefined ? {} : { variant: platform.variant }),
    config: { Env: [`PATH=${DEFAULT_PATH}`], WorkingDir: '/' },
    history: [],
  }
}

/**
 * Copies the config of a base, to build on it; changes of the copy do not reach the base. Null fields count as absent.
 * `rootfs` is left out, because it follows from the layers of the new image.
 */
export function childDocument(
  base: Readonly<Record<string, unknown>>,
  platform: TargetPlatform,
): ImageDocument {
  const { rootfs: _, created: __, ...rest } = structuredClone(base)
  const config = isObject(rest.config) ? rest.config : {}
  for (const key of Object.keys(config)) if (config[key] === null) delete config[key]
  return {
    ...rest,
    architecture: textOr(rest.architecture, platform.architecture),
    os: textOr(rest.os, platform.os),
    config: config as RuntimeConfig,
    history: (Array.isArray(rest.history) ? rest.history.filter(isObject) : []) as HistoryEntry[],
  }
}

/**
 * Adds the default PATH to a config that has none, behind its other variables, so that programs are found by name, and
 * a new PATH can be written with `$PATH`. An empty PATH is not replaced.
 *
 * Spec: moby/buildkit, dockerfile2llb/convert.go: an image that is built upon gets system.DefaultPathEnv.
 */
export function ensurePath({ os, config }: Pick<ImageDocument, 'os' | 'config'>): void {
  // The programs of Windows lie in other directories, which Windows images name themselves.
  if (os === 'windows' || envOf(config).some(([name]) => name === 'PATH')) return
  setEnv(config, 'PATH', DEFAULT_PATH)
}

/** The environment of a config as name and value, in order. An entry without `=` has an empty value. */
export function envOf(config: RuntimeConfig): [string, string][] {
  return (config.Env ?? []).map(entry => {
    const at = entry.indexOf('=')
    return at < 0 ? [entry, ''] : [entry.slice(0, at), entry.slice(at + 1)]
  })
}

/** Sets a variable in its place, or at the end if it is new. */
export function setEnv(config: RuntimeConfig, name: string, value: string): void {
  const env = config.Env ?? []
  const at = env.findIndex(entry => entry === name || entry.startsWith(`${name}=`))
  config.Env = at < 0 ? [...env, `${name}=${value}`] : env.with(at, `${name}=${value}`)
}

export function shellOf(config: RuntimeConfig): readonly string[] {
  return config.Shell && config.Shell.length > 0 ? config.Shell : DEFAULT_SHELL
}

/** The arguments of a command. A command in shell form becomes one argument of the image's shell. */
export function argvOf(
  config: RuntimeConfig,
  line: { readonly shell: boolean; readonly command: readonly string[] },
): string[] {
  return line.shell ? [...shellOf(config), line.command.join(' ')] : [...line.command]
}

export function healthcheckOf(check: HealthcheckInstruction): Healthcheck {
  return {
    Test: [...check.test],
    ...(check.intervalNs ? { Interval: check.intervalNs } : {}),
    ...(check.timeoutNs ? { Timeout: check.timeoutNs } : {}),
    ...(check.startPeriodNs ? { StartPeriod: check.startPeriodNs } : {}),
    ...(check.startIntervalNs ? { StartInterval: check.startIntervalNs } : {}),
    ...(check.retries ? { Retries: check.retries } : {}),
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function textOr(value: unknown, fallback: string): string {
  return typeof value === 'string' && value !== '' ? value : fallback
}

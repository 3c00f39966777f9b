import { DEFAULT_PATH } from '@pipelayer/containers'
import type { HealthcheckInstruction } from '@pipelayer/dockerfile'

/** `config` of an image's config, with what Docker adds to OCI's fields. Spec: image-spec v1.1, config.md. */
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

/** Times in nanoseconds, absent where the engine's default holds. */
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
 * A copy of a base's config to build on: its own, whatever the base's is later. Null fields count as absent;
 * rootfs goes, because the layers of the new image say it.
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
 * Gives a config without PATH the default one, behind its other variables: programs are found without their
 * directories, and what expands `$PATH` keeps them. An empty PATH is one.
 *
 * Spec: moby/buildkit, dockerfile2llb/convert.go: an image that is built upon gets system.DefaultPathEnv.
 */
export function ensurePath({ os, config }: Pick<ImageDocument, 'os' | 'config'>): void {
  // Programs of Windows lie elsewhere, and its images say where.
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

/** Sets a variable where it stands, or at the end. */
export function setEnv(config: RuntimeConfig, name: string, value: string): void {
  const env = config.Env ?? []
  const at = env.findIndex(entry => entry === name || entry.startsWith(`${name}=`))
  config.Env = at < 0 ? [...env, `${name}=${value}`] : env.with(at, `${name}=${value}`)
}

export function shellOf(config: RuntimeConfig): readonly string[] {
  return config.Shell && config.Shell.length > 0 ? config.Shell : DEFAULT_SHELL
}

/** The argv of a command: shell form goes to the image's shell as one argument. */
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

import type { ArgInstruction } from '@pipelayer/dockerfile'
import { CHECK_ARG } from './rule-check.js'

/** ARGs that RUN gets without a declaration, and that are part of neither the cache key nor the history. */
const PROXIES = ['http_proxy', 'https_proxy', 'ftp_proxy', 'no_proxy', 'all_proxy']

/** Build arguments that the build itself uses. */
const OWN_ARGS = ['SOURCE_DATE_EPOCH', CHECK_ARG]

/** The values that `--build-arg` gave, the ARGs before the first FROM, and which of them were asked for. */
export interface GlobalScope {
  readonly buildArgs: ReadonlyMap<string, string>
  /** The ARGs before FROM and the platform ARGs. FROM lines use them, and so does a bare `ARG name` in a stage. */
  readonly globals: Map<string, string>
  /** Names of the build arguments that an ARG has used. */
  readonly used: Set<string>
}

/**
 * The variables of one stage, at one instruction.
 *
 * If an ENV and an ARG have the same name, the later one counts; an ARG without a value changes nothing. Spec:
 * BuildKit, dockerfile2llb/convert.go, dispatchArg: both go into one environment.
 */
export class Scope {
  readonly #values: Map<string, string>
  readonly #args: Set<string>

  constructor(values: Iterable<readonly [string, string]> = [], args: Iterable<string> = []) {
    this.#values = new Map(values)
    this.#args = new Set(args)
  }

  /** A child stage starts with the variables that its parent had at its end, ARGs included. */
  clone(): Scope {
    return new Scope(this.#values, this.#args)
  }

  get(name: string): string | undefined {
    return this.#values.get(name)
  }

  /** Sets a variable of ENV. */
  set(name: string, value: string): void {
    this.#values.set(name, value)
  }

  /** Declares a variable of ARG. */
  declare(name: string, value: string | undefined): void {
    this.#args.add(name)
    if (value !== undefined) this.#values.set(name, value)
  }

  /** The variables that a command gets, and that expansions use. */
  values(): Map<string, string> {
    return new Map(this.#values)
  }

  /** `NAME=value` of every declared ARG, in order of declaration, as the history of a RUN lists them. */
  declared(): string[] {
    return [...this.#args].map(name => `${name}=${this.get(name) ?? ''}`)
  }
}

/**
 * Declares one ARG of a stage: `--build-arg` first, then its default, then an ARG of that name before FROM.
 *
 * @returns its value, or undefined when it has none
 */
export function declareArg(
  scope: Scope,
  arg: ArgInstruction['args'][number],
  { outer, expand }: { readonly outer: GlobalScope; readonly expand: (word: string) => string },
): string | undefined {
  const given = outer.buildArgs.get(arg.name)
  if (given !== undefined) outer.used.add(arg.name)
  const value = given ?? (arg.value === undefined ? outer.globals.get(arg.name) : expand(arg.value))
  scope.declare(arg.name, value)
  return value
}

/** Declares one ARG that stands before the first FROM. Without a value it declares nothing. */
export function declareGlobalArg(
  outer: GlobalScope,
  arg: ArgInstruction['args'][number],
  expand: (word: string) => string,
): void {
  const given = outer.buildArgs.get(arg.name)
  if (given !== undefined) outer.used.add(arg.name)
  const value = given ?? (arg.value === undefined ? undefined : expand(arg.value))
  if (value !== undefined) outer.globals.set(arg.name, value)
}

/** The proxy variables among the build arguments, in both cases, as a RUN gets them. */
export function proxyEnv(buildArgs: ReadonlyMap<string, string>): Map<string, string> {
  const env = new Map<string, string>()
  for (const [name, value] of buildArgs) {
    const lower = name.toLowerCase()
    if (!PROXIES.includes(lower)) continue
    env.set(lower.toUpperCase(), value)
    env.set(lower, value)
  }
  return env
}

/** Build arguments that no ARG used, probably because they are misspelled. */
export function unusedBuildArgs(outer: GlobalScope): string[] {
  const known = (name: string): boolean =>
    outer.used.has(name) || PROXIES.includes(name.toLowerCase()) || OWN_ARGS.includes(name)
  return [...outer.buildArgs.keys()].filter(name => !known(name))
}

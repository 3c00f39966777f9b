import path from 'node:path'
import { type Instruction, parsePorts } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { createdBy } from './created-by.js'
import { argvOf, healthcheckOf, setEnv } from './image-config.js'
import { declareArg, type GlobalScope } from './scope.js'
import type { StageState } from './stage-state.js'
import { checkStopSignal } from './stop-signal.js'

/** Expands the words of an instruction with the variables before it; those of an ARG one after the other. */
export interface Expander {
  word(text: string): string
  words(text: string): readonly string[]
}

type ConfigInstruction = Exclude<Instruction, { kind: 'from' | 'run' | 'copy' | 'add' | 'workdir' }>

/**
 * Applies an instruction that only changes the config.
 *
 * @returns its history line; undefined for ONBUILD, which has none
 */
export function applyConfig(
  state: StageState,
  step: ConfigInstruction,
  { expand, outer }: { readonly expand: Expander; readonly outer: GlobalScope },
): string | undefined {
  const { config } = state.doc
  switch (step.kind) {
    case 'env':
      return applyEnv(
        state,
        step.pairs.map(pair => expandPair(pair, expand)),
      )
    case 'arg': {
      const values = step.args.map(arg => ({
        name: arg.name,
        value: declareArg(state.scope, arg, { outer, expand: expand.word }),
      }))
      return createdBy.arg(values)
    }
    case 'label': {
      const pairs = step.pairs.map(pair => expandPair(pair, expand))
      config.Labels = { ...config.Labels, ...Object.fromEntries(pairs.map(p => [p.name, p.value])) }
      return createdBy.label(pairs)
    }
    case 'expose': {
      // A port that is named twice stands in the history twice. Ranges keep the order in which they are written.
      const ports = step.ports.flatMap(expand.words).flatMap(parsePorts)
      config.ExposedPorts = { ...config.ExposedPorts, ...emptyObjects(ports) }
      return createdBy.expose(ports)
    }
    case 'volume': {
      const paths = step.paths.map(expand.word)
      if (paths.includes('')) throw new ToolError('VOLUME_INVALID', 'the path of a volume is empty')
      config.Volumes = { ...config.Volumes, ...emptyObjects(paths) }
      return createdBy.volume(paths)
    }
    case 'user':
      config.User = expand.word(step.user)
      return createdBy.user(config.User)
    case 'stopsignal':
      config.StopSignal = checkStopSignal(expand.word(step.signal))
      return createdBy.stopsignal(config.StopSignal)
    case 'maintainer':
      state.doc.author = step.author
      return createdBy.maintainer(step.author)
    case 'onbuild':
      config.OnBuild = [...(config.OnBuild ?? []), step.expression]
      return undefined
    default:
      return applyCommand(state, step)
  }
}

function applyCommand(
  state: StageState,
  step: Extract<ConfigInstruction, { kind: 'cmd' | 'entrypoint' | 'shell' | 'healthcheck' }>,
): string {
  const { config } = state.doc
  switch (step.kind) {
    case 'cmd':
      config.Cmd = argvOf(config, step)
      config.ArgsEscaped = true
      state.cmdSet = true
      return createdBy.cmd(config.Cmd)
    case 'entrypoint':
      config.Entrypoint = argvOf(config, step)
      // The CMD of the base holds arguments for the base's ENTRYPOINT, so it is dropped.
      if (!state.cmdSet) delete config.Cmd
      return createdBy.entrypoint(config.Entrypoint)
    case 'shell':
      config.Shell = [...step.shell]
      return createdBy.shell(step.shell)
    case 'healthcheck':
      config.Healthcheck = healthcheckOf(step)
      return createdBy.healthcheck(step)
  }
}

/** The working directory after WORKDIR. An absolute path stays as it is written, as with BuildKit. */
export function nextWorkdir(current: string | undefined, wanted: string): string {
  if (wanted === '') return current || '/'
  return path.posix.isAbsolute(wanted) ? wanted : path.posix.resolve('/', current ?? '/', wanted)
}

function applyEnv(
  state: StageState,
  pairs: readonly { readonly name: string; readonly value: string }[],
): string {
  for (const { name, value } of pairs) {
    setEnv(state.doc.config, name, value)
    state.scope.set(name, value)
  }
  return createdBy.env(pairs)
}

function expandPair(
  pair: { readonly name: string; readonly value: string },
  expand: Expander,
): { name: string; value: string } {
  const name = expand.word(pair.name)
  // BuildKit accepts an empty name. But no container starts with such an ENV, and the image specification forbids such
  // a LABEL.
  if (name === '') throw new ToolError('NAME_EMPTY', `${pair.name} expands to an empty name`)
  return { name, value: expand.word(pair.value) }
}

function emptyObjects(keys: readonly string[]): Record<string, object> {
  return Object.fromEntries([...keys].sort().map(key => [key, {}]))
}

import type { RunInstruction } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { binaryOf } from '@pipelayer/rootfs'
import { parseMount, type RunAction, type RunMount, type SshMount, type StepMount } from '@pipelayer/steps'
import type { Expander } from './config-step.js'
import { createdBy } from './created-by.js'
import { keyOfContent } from './heredoc-body.js'
import type { LayerStep, Locate, Source } from './layer-step.js'
import type { PlanRequest, RunRules } from './plan-request.js'
import { runCommand } from './run-plan.js'
import { proxyEnv } from './scope.js'
import type { StageState } from './stage-state.js'

export interface RunRequest {
  readonly instruction: RunInstruction
  readonly expand: Expander
  readonly plan: Pick<PlanRequest, 'runs' | 'buildArgs' | 'blobs'>
}

/** Finds the tree that the field `from` of a mount names; undefined stands for the context. */
export type FindSource = (from: string | undefined) => Promise<Source>

/**
 * Plans a RUN instruction.
 *
 * @throws {ToolError} `ARGUMENT_TOO_LONG`, `HEREDOC_MISSING`, `NOT_ALLOWED`, `NOT_SUPPORTED`, `MOUNT_INVALID`,
 * `NOT_FOUND`
 */
export async function planRun(state: StageState, request: RunRequest, find: FindSource): Promise<LayerStep> {
  const { instruction, plan } = request
  checkAllowed(instruction, plan.runs)
  const { config } = state.doc
  const { argv, script } = await runCommand(instruction, config, plan.blobs)
  const cwd = config.WorkingDir || '/'
  const mounts = await planMounts(request, { cwd, env: state.scope.values() }, find)
  const env = [...state.scope.values()]
  const network = instruction.network === 'default' ? plan.runs.network : instruction.network
  const action: Omit<RunAction, 'mounts' | 'env'> = {
    kind: 'run',
    argv,
    cwd: binaryOf(cwd),
    user: config.User ?? '',
    network,
    ...(instruction.security === 'insecure' ? { insecure: true as const } : {}),
    ...(script === undefined ? {} : { script }),
  }
  return {
    createdBy: createdBy.run(argv, state.scope.declared()),
    key: { ...action, ...scriptKey(script), env: [...env].sort(), mounts: mounts.map(mount => mount.key) },
    action: async locate => ({
      ...action,
      cwd,
      env: [...proxyEnv(plan.buildArgs), ...env],
      mounts: await Promise.all(mounts.map(mount => mount.make(locate))),
    }),
  }
}

function scriptKey(script: RunAction['script']): { readonly script?: object } {
  return script === undefined ? {} : { script: { name: script.name, ...keyOfContent(script) } }
}

function checkAllowed(run: RunInstruction, rules: RunRules): void {
  if (run.security === 'insecure' && !rules.allow.has('security.insecure'))
    throw new ToolError('NOT_ALLOWED', '--security=insecure: say --allow security.insecure to allow it')
  if (run.devices.length > 0)
    throw new ToolError('NOT_SUPPORTED', `--device=${run.devices[0]} is not supported`)
}

interface PlannedMount {
  readonly key: unknown
  readonly make: (locate: Locate) => Promise<StepMount>
}

async function planMounts(
  request: RunRequest,
  { cwd, env }: { readonly cwd: string; readonly env: ReadonlyMap<string, string> },
  find: FindSource,
): Promise<PlannedMount[]> {
  const mounts = request.instruction.mounts.map(text => parseMount(text, cwd, request.expand.word))
  const agents = mounts.filter(mount => mount.type === 'ssh')
  return await Promise.all(
    mounts.map(mount => {
      if (mount.type !== 'ssh') return planMount(mount, request, find)
      const number = agents.indexOf(mount)
      return planAgent(mount, { number, told: number === 0 && !env.has('SSH_AUTH_SOCK') }, request.plan.runs)
    }),
  )
}

// As with secrets, the key does not depend on whether an agent was given: that must not decide what is in an image.
function planAgent(
  mount: SshMount,
  { number, told }: { readonly number: number; readonly told: boolean },
  { ssh }: RunRules,
): PlannedMount {
  const target = mount.target ?? `/run/buildkit/ssh_agent.${number}`
  const from = ssh.get(mount.id)
  const bound = { ...mount, target, told, ...(from === undefined ? {} : { from }) }
  return { key: mount, make: async () => bound }
}

async function planMount(
  mount: Exclude<RunMount, SshMount>,
  { plan: { runs } }: RunRequest,
  find: FindSource,
): Promise<PlannedMount> {
  if (mount.type === 'bind') {
    const { from, ...bind } = mount
    const source = await find(from)
    const key = {
      ...bind,
      tree: source.key({ sources: [binaryOf(bind.source)], parents: false, excludes: [] }),
    }
    return { key, make: async locate => ({ ...bind, root: await locate(source.tree) }) }
  }
  if (mount.type === 'secret') {
    // The key depends neither on the content of a secret nor on whether it was given: a secret must not decide what is
    // in an image.
    const from = runs.secrets.get(mount.id)
    return { key: mount, make: async () => ({ ...mount, ...(from === undefined ? {} : { from }) }) }
  }
  if (mount.type === 'cache') {
    const tree = mount.from === undefined ? undefined : await find(mount.from)
    const key = tree?.key({ sources: [binaryOf(mount.source)], parents: false, excludes: [] }) ?? ''
    return {
      key: mount,
      make: async locate => ({
        ...mount,
        dir: runs.cacheDir,
        ...(tree ? { origin: { root: await locate(tree.tree), key } } : {}),
      }),
    }
  }
  return { key: mount, make: async () => mount }
}

/**
 * One worker of scripts/fuzz: runs case after case, and reports each to its parent before it starts, so that a case
 * that never ends, or that ends the process, is known.
 *
 * Arguments: JSON with `seed`, `step`, `seconds`, `target` (a name; none for all).
 *
 * @module
 */
import { minimised } from './minimise.js'
import { findingOf, inputOf, type Target } from './target.js'
import { allTargets } from './targets.js'
import { Nest } from './watch.js'

interface Job {
  readonly seed: number
  readonly step: number
  readonly seconds: number
  readonly target?: string
}

/** Processor seconds that one case may take. Inputs have at most 256 KiB. */
const MAX_CPU_SECONDS = 5
/** Bytes outside the heap that one case may use; the heap is limited by the parent. */
const MAX_BUFFERS = 1 << 28

const job = JSON.parse(process.argv[2] ?? '{}') as Job
const nest = new Nest()
process.on('exit', () => nest.remove())
process.on('SIGTERM', () => process.exit(0))
await work()
process.exit(0)

async function work(): Promise<void> {
  const all = await allTargets(process.env.PIPELAYER_FIXTURES, nest)
  const chosen = all.filter(({ name }) => job.target === undefined || name === job.target)
  if (chosen.length === 0) {
    tell({ usage: `no target ${job.target}; there are ${all.map(({ name }) => name).join(', ')}` })
    return
  }
  const end = performance.now() + job.seconds * 1000
  for (let seed = job.seed; performance.now() < end; seed += job.step)
    for (const target of chosen) await runCase(target, seed)
}

async function runCase(target: Target, seed: number): Promise<void> {
  tell({ target: target.name, seed })
  const input = inputOf(target, seed)
  const finding = await measured(target, seed, input)
  if (finding === undefined) return
  const same = async (shorter: Buffer): Promise<boolean> => {
    tell({ target: target.name, seed, isAgain: true })
    return kindOf(await measured(target, seed, shorter)) === kindOf(finding)
  }
  const small = await minimised(input, same)
  tell({
    target: target.name,
    seed,
    finding: finding.stack ?? String(finding),
    input: small.toString('base64'),
  })
}

/** Runs a case. It is also a finding if the case takes too much time or memory. */
async function measured(target: Target, seed: number, input: Buffer): Promise<Error | undefined> {
  const before = process.cpuUsage()
  const finding = await findingOf(target, seed, input)
  const { user, system } = process.cpuUsage(before)
  if (finding !== undefined) return finding
  const seconds = (user + system) / 1e6
  if (seconds > MAX_CPU_SECONDS) return new Error(`slow: ${seconds.toFixed(1)} s for ${input.length} bytes`)
  const { arrayBuffers } = process.memoryUsage()
  return arrayBuffers > MAX_BUFFERS ? new Error(`memory: ${arrayBuffers >> 20} MiB of buffers`) : undefined
}

/** The kind of a finding: its message without numbers and names. */
function kindOf(finding: Error | undefined): string {
  return finding === undefined ? '' : finding.message.slice(0, 60).replace(/\d+|".*?"/g, '')
}

function tell(message: object): void {
  process.send?.(message)
}

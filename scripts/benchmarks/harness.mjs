// What every group of benchmarks shares: options, a folder in memory, and runs of contenders in turn.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { readArguments } from '../arguments.mjs'
import { printTable } from './table.mjs'

const here = path.dirname(fileURLToPath(import.meta.url))
const root = path.resolve(here, '../..')
const groups = fs
  .readdirSync(path.join(here, 'groups'))
  .map(file => path.basename(file, '.mjs'))
  .sort()
const { values, positionals } = readArguments(path.join(root, 'scripts/bench.mjs'), {
  allowPositionals: true,
  more: `Groups: ${groups.join(' ')}`,
  options: {
    runs: { type: 'string', default: '3' },
    small: { type: 'boolean', default: false },
    peers: { type: 'string' },
    tree: { type: 'string' },
    json: { type: 'string' },
  },
})

/** The options of this run. `peers` and `tree` are absolute folders. */
export const options = {
  runs: Math.max(1, Number(values.runs) || 1),
  isSmall: values.small,
  peers: values.peers && path.resolve(values.peers),
  tree: values.tree && path.resolve(values.tree),
}

// The folder is in memory if possible: on a virtual disk, the time to make files varies tenfold from run to run.
const memory = '/dev/shm'
/** A folder for trees, stores and targets; it is removed at the end. */
export const work = fs.mkdtempSync(
  path.join(fs.existsSync(memory) ? memory : os.tmpdir(), 'pipelayer-bench-'),
)
const atExit = []
process.on('exit', () => {
  for (const action of atExit.reverse()) action()
  spawnSync('rm', ['-rf', '--one-file-system', work])
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

/**
 * The environment of commands: our programs come first on PATH, `$W` is the folder, and `peer` and `$PEERS` are defined
 * (see peer.bash).
 */
const env = {
  ...process.env,
  PATH: `${path.join(root, 'bin')}:${process.env.PATH}:/usr/sbin:/sbin`,
  W: work,
  PEERS: options.peers ?? '',
  BASH_ENV: path.join(here, 'peer.bash'),
  PIPELAYER_STORE: path.join(work, 'store'),
}
delete env.SOURCE_DATE_EPOCH

/** The groups that the command line names; all groups if it names none. */
export function chooseGroups() {
  const wrong = positionals.find(name => !groups.includes(name))
  if (wrong !== undefined) {
    console.error(`bench: no group "${wrong}": there are ${groups.join(', ')}`)
    process.exit(2)
  }
  const load = os.loadavg()[0].toFixed(1)
  console.log(`${os.cpus().length} cores, load ${load}, node ${process.version}; ${options.runs} runs each`)
  return positionals.length > 0 ? positionals : groups
}

/**
 * Registers an action, such as stopping a server, to be done before the folder is removed; the last one is done first.
 */
export function onExit(action) {
  atExit.push(action)
}

/** Runs a command in bash with the common environment, without measuring it. Returns its output; throws if it fails. */
export function shell(command) {
  const { status, stdout, stderr } = spawnSync('bash', ['-o', 'pipefail', '-c', command], {
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  })
  if (status !== 0) throw new Error(`bench: ${command} ended with ${status}: ${stderr.slice(-500)}`)
  return stdout.trim()
}

/** Starts a server in the background, which ends with the benchmarks. Its output goes to `$W/servers.log`. */
export function serve(command) {
  const log = fs.openSync(path.join(work, 'servers.log'), 'a')
  // The server gets a process group of its own, because a shell does not pass on the signal that ends it.
  const server = spawn('bash', ['-c', command], { env, detached: true, stdio: ['ignore', log, log] })
  fs.closeSync(log)
  server.unref()
  onExit(() => {
    try {
      process.kill(-server.pid)
    } catch {
      // The server has ended by itself.
    }
  })
}

/**
 * Runs each contender once per round, so that a busy moment of the machine strikes all, and prints medians: wall time,
 * CPU seconds (user and system of all processes), the largest resident set of one process, ratios to the first.
 *
 * @param title - of the table
 * @param prepare - a command that is run before each run, unmeasured
 * @param contenders - `name` and `command`; `prepare` of its own after the common one; `needs`: programs of PATH or
 *   patterns of files, without which the row is left out; `peer: true`: `needs` are looked for in --peers;
 *   `size`: a command that prints bytes after a run; `items`: how many the time is shared by; `targets`:
 *   `{ what: 'wall' (unless given), 'cpu', 'peak', 'size' or 'item', to: NAME, most: N }`, a ratio to that row; with
 *   `beyond: NAME` in place of `to` how much more than that row; absolute without both
 */
export function compare(title, prepare, contenders) {
  const present = contenders.filter(isPresent)
  const samples = new Map(present.map(({ name }) => [name, []]))
  for (let round = 0; round < options.runs; round++)
    for (const contender of present) {
      shell(`${prepare}\n${contender.prepare ?? ''}`)
      const sample = measure(contender)
      if (sample !== undefined) samples.get(contender.name).push(sample)
    }
  const rows = present.map(contender => ({
    ...contender,
    // Times of small inputs say nothing about speed.
    targets: options.isSmall ? [] : contender.targets,
    ...medians(samples.get(contender.name)),
  }))
  const figures = printTable(title, rows)
  if (values.json !== undefined)
    for (const figure of figures) fs.appendFileSync(values.json, `${JSON.stringify(figure)}\n`)
}

/** Reports which rows are left out, and why. */
function isPresent({ name: row, needs = [], peer }) {
  const test = name => (peer ? `peer sh -c 'command -v ${name}'` : `command -v ${name} || ls ${name}`)
  return [needs].flat().every(name => {
    const { status, stderr } = spawnSync('bash', ['-c', test(name)], { env, encoding: 'utf8' })
    if (status !== 0) console.error(`bench: "${row}" is left out, ${name} is not there: ${stderr.trim()}`)
    return status === 0
  })
}

function measure({ command, size, items }) {
  const report = path.join(work, 'time')
  const { status, stderr } = spawnSync(
    '/usr/bin/time',
    ['-o', report, '-f', '%e %U %S %M', 'bash', '-o', 'pipefail', '-c', command],
    { env, encoding: 'utf8', maxBuffer: 1 << 28 },
  )
  if (status !== 0) {
    console.error(`bench: ${command} ended with ${status}: ${stderr.slice(-300)}`)
    process.exitCode = 1
    return undefined
  }
  const last = fs.readFileSync(report, 'utf8').trim().split('\n').at(-1)
  const [wall, user, system, kilobytes] = last.split(' ').map(Number)
  return {
    wall,
    cpu: user + system,
    peak: kilobytes / 1000,
    ...(size && { size: Number(shell(size)) / 1e6 }),
    ...(items && { item: (wall / items) * 1e6 }),
  }
}

function medians(list) {
  const keys = Object.keys(list[0] ?? {})
  const of = key => list.map(sample => sample[key]).sort((a, b) => a - b)[list.length >> 1]
  return Object.fromEntries(keys.map(key => [key, of(key)]))
}

// scripts/fuzz [--seconds N] [--seed S] [--target NAME] [--workers N]: mutates the archives, compressed bytes and texts
// of test/fuzz, and those of $PIPELAYER_FIXTURES, and feeds them to our parsers and unpackers; 120 s with 2 workers unless
// said. A finding prints its target and seed (given again, it is the first case), and its input, made small, goes to
// a folder of temporary files. Exits 1 on findings.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { readArguments } from './arguments.mjs'

/** A worker that reports nothing for this time is in a case that does not end. */
const STALL_MS = 60_000
const HEAP_MB = 512
const MAX_FINDINGS = 20
/**
 * Makes everything except the temporary folder read-only, so that an escape that is found does no harm to the machine.
 */
const JAIL = 'mount --bind "$0" "$0"; mount -o remount,bind,ro /; exec "$@"'

const { values } = readArguments(fileURLToPath(import.meta.url), {
  options: {
    seconds: { type: 'string', default: '120' },
    seed: { type: 'string', default: String(Date.now() % 1e9) },
    target: { type: 'string' },
    workers: { type: 'string', default: '2' },
  },
})
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const out = path.join(os.tmpdir(), 'pipelayer-fuzz-findings')
const [seed, step] = [Number(values.seed), Number(values.workers)]
const end = Date.now() + Number(values.seconds) * 1000
const counts = new Map()
const findings = new Map()
let usage

const script = await bundle()
console.log(`seed ${seed}, ${step} workers, ${values.seconds} s`)
await Promise.all(Array.from({ length: step }, (_, worker) => campaign(seed + worker)))
if (usage) {
  console.error(`fuzz: ${usage}`)
  process.exit(2)
}
for (const [name, count] of counts) console.log(`${name}: ${count} cases`)
console.log(`${findings.size} findings`)
process.exit(findings.size > 0 ? 1 : 0)

/** Runs one worker after the other; each continues where the one before it has died. */
async function campaign(first) {
  for (let next = first; Date.now() < end && findings.size < MAX_FINDINGS && !usage; )
    next = (await work(next)) + step
}

/** Runs a worker to its end, and returns the seed that it reached. */
function work(first) {
  return new Promise(resolve => {
    const seconds = Math.max(1, (end - Date.now()) / 1000)
    const job = JSON.stringify({ seed: first, step, seconds, target: values.target })
    const child = start([process.execPath, `--max-old-space-size=${HEAP_MB}`, script, job])
    let current = { target: '', seed: first }
    let errors = ''
    const timer = setTimeout(() => child.kill('SIGKILL'), STALL_MS)
    child.stderr.on('data', chunk => (errors = `${errors}${chunk}`.slice(-2000)))
    child.on('message', message => {
      timer.refresh()
      if (message.usage) usage = message.usage
      else if (message.finding) report(message)
      else if (!message.isAgain) {
        current = message
        counts.set(current.target, (counts.get(current.target) ?? 0) + 1)
      }
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (code !== 0) report({ ...current, finding: `the process ended with ${signal ?? code}: ${errors}` })
      resolve(current.seed)
    })
  })
}

function start(command) {
  const stdio = ['ignore', 'inherit', 'pipe', 'ipc']
  if (process.getuid?.() !== 0) return spawn(command[0], command.slice(1), { stdio })
  return spawn('unshare', ['--mount', 'bash', '-euc', JAIL, os.tmpdir(), ...command], { stdio })
}

/** Reports each kind of finding once. */
function report({ target, seed: at, finding, input }) {
  const kind = `${target}: ${finding.slice(0, 60).replace(/\d+|".*?"/g, '')}`
  if (findings.has(kind)) return
  findings.set(kind, at)
  console.log(`\nFOUND --target ${target} --seed ${at}\n${finding}`)
  if (input === undefined) return
  fs.mkdirSync(out, { recursive: true })
  const file = path.join(out, `${target}-${at}`)
  fs.writeFileSync(file, Buffer.from(input, 'base64'))
  console.log(`input: ${file}`)
}

async function bundle() {
  const outfile = path.join(root, 'node_modules/.cache/pipelayer-fuzz/worker.mjs')
  await build({
    entryPoints: [path.join(root, 'test/fuzz/worker.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: 'inline',
    logLevel: 'warning',
    conditions: ['@pipelayer/source'],
    external: ['koffi'],
    banner: { js: "import{createRequire as __r}from'node:module';const require=__r(import.meta.url);" },
  })
  return outfile
}

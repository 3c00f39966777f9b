// scripts/judge [DIR]: runs every table of a fixtures folder (DIR/SOURCE/*/TABLE.ndjson; DIR is $PIPELAYER_FIXTURES
// unless given) through the adapters of test/judge/*.ts, and prints for each
// `SOURCE/TABLE: N passed, N failed, N policy, N not covered`, then the failing ids. Exits 1 when a row failed.
// --table PART chooses tables by a part of their name. Rows that are policy stand in test/judge/policy.json.
import { fork } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { readArguments } from './arguments.mjs'
import { bundleAdapters } from './judge-bundle.mjs'
import { readRows } from './judge-rows.mjs'

const ROW_LIMIT_MS = 60_000
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const { values, positionals } = readArguments(fileURLToPath(import.meta.url), {
  options: { table: { type: 'string', default: '' } },
  allowPositionals: true,
})
const dir = positionals[0] ?? process.env.PIPELAYER_FIXTURES
if (!dir || !fs.existsSync(dir)) {
  console.error('judge: name the fixtures folder, or set PIPELAYER_FIXTURES')
  process.exit(2)
}

const policies = JSON.parse(fs.readFileSync(path.join(root, 'test/judge/policy.json'), 'utf8'))
const { modules, tables: adapterOf, broken } = await bundleAdapters(root)
const tables = findTables(path.resolve(dir)).filter(({ name }) => name.includes(values.table))
const totals = { passed: 0, failed: broken.length, policy: 0, 'not covered': 0 }

for (const line of broken) console.log(line)
const waiting = [...tables]
const results = new Map()
let printed = 0
await Promise.all(Array.from({ length: os.availableParallelism() }, work))
console.log(`total: ${summary(totals)}`)
process.exit(totals.failed > 0 ? 1 : 0)

/** Tables are judged side by side and printed in order. */
async function work() {
  for (let table = waiting.shift(); table; table = waiting.shift()) {
    results.set(table.name, await judgeTable(table))
    for (; printed < tables.length && results.has(tables[printed].name); printed++)
      print(tables[printed].name)
  }
}

async function judgeTable(table) {
  const rows = readRows(table.file)
  const outcomes = new Array(rows.length)
  const adapter = adapterOf.get(table.name)
  rows.forEach((row, index) => {
    const policy = policyOf(table.name, row)
    if (policy) outcomes[index] = `policy:${policy}`
    else if (!adapter) outcomes[index] = 'not covered'
  })
  // Each table has a process of its own, so that a row that loops, exits or uses up memory stops no other table.
  for (let next = open(outcomes); next >= 0; next = open(outcomes))
    await judgeRows(table, adapter, outcomes, next)
  return rows.map((row, index) => ({ id: row.id, outcome: checked(outcomes[index]) }))
}

function judgeRows(table, adapter, outcomes, start) {
  return new Promise(resolve => {
    let index = start
    const worker = path.join(root, 'scripts/judge-worker.mjs')
    const skip = JSON.stringify(outcomes.map(outcome => (outcome === undefined ? 0 : 1)))
    const child = fork(worker, [modules.get(adapter), table.name, table.file, skip], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let errors = ''
    child.stderr.on('data', chunk => (errors = `${errors}${chunk}`.slice(-300)))
    const timer = setTimeout(() => child.kill('SIGKILL'), ROW_LIMIT_MS)
    child.on('message', message => {
      timer.refresh()
      outcomes[message.index] = message.outcome
      index = open(outcomes)
    })
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      if (index >= 0) outcomes[index] = { fail: `the process ended with ${signal ?? code}: ${errors.trim()}` }
      resolve()
    })
  })
}

function open(outcomes) {
  for (let i = 0; i < outcomes.length; i++) if (outcomes[i] === undefined) return i
  return -1
}

function checked(outcome) {
  if (typeof outcome !== 'string' || !outcome.startsWith('policy:')) return outcome
  const name = outcome.slice('policy:'.length)
  return policies[name] ? outcome : { fail: `policy "${name}" is not in test/judge/policy.json` }
}

function policyOf(table, row) {
  if (row.want === null) return 'no-expectation'
  const key = `${table}#${row.id}`
  return Object.keys(policies).find(
    name => policies[name].rows?.includes(key) || policies[name].tables?.includes(table),
  )
}

function print(name) {
  const counts = { passed: 0, failed: 0, policy: 0, 'not covered': 0 }
  const failures = []
  for (const { id, outcome } of results.get(name)) {
    const kind = kindOf(outcome)
    counts[kind]++
    if (kind === 'failed') failures.push(`  failed ${id}: ${String(outcome?.fail ?? outcome).slice(0, 600)}`)
  }
  for (const kind of Object.keys(totals)) totals[kind] += counts[kind]
  console.log(`${name}: ${summary(counts)}`)
  for (const line of failures) console.log(line)
}

function kindOf(outcome) {
  if (outcome === 'pass') return 'passed'
  if (outcome === 'not covered') return 'not covered'
  return typeof outcome === 'string' && outcome.startsWith('policy:') ? 'policy' : 'failed'
}

function summary(counts) {
  return Object.entries(counts)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ')
}

/** Every SOURCE/ANY/TABLE.ndjson, in byte order of SOURCE/TABLE. */
function findTables(base) {
  const folders = parent =>
    fs
      .readdirSync(parent, { withFileTypes: true })
      .filter(entry => entry.isDirectory())
      .map(entry => entry.name)
  const found = folders(base).flatMap(source =>
    folders(path.join(base, source)).flatMap(half =>
      fs
        .readdirSync(path.join(base, source, half))
        .filter(file => file.endsWith('.ndjson'))
        .map(file => ({ name: `${source}/${file.slice(0, -7)}`, file: path.join(base, source, half, file) })),
    ),
  )
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

// What happens when something breaks: a process dies, a filter drops a record, the input is wrong. In each case one
// clear cause is reported, the status is right, nothing is published, and nothing stays mounted or running.
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import {
  childrenOf,
  isAlive,
  mountTable,
  need,
  type PipeResult,
  type RunningPipe,
  waitUntil,
} from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { badRegistry } from './bad-registry.js'
import { dockerfile, writeContext } from './context.js'
import { buildPipe, type Lab, lab } from './lab.js'

const CAUGHT_MS = 10_000
const STAGES = ['kf-run', 'ovl-diff', 'layer-pack', 'manifest-gen', 'blob-put']

t.test('killing any process ends the pipe, and nothing is left', { skip: need('root') }, async t => {
  for (const victim of STAGES) {
    await t.test(victim, async t => {
      const place = lab(t)
      const mounts = mountTable()
      // The number is unique, so that the process of the step is found among all processes of the machine.
      const step = `sleep 600.${process.pid}${STAGES.indexOf(victim)}`
      writeContext(place, dockerfile(`RUN exec ${step}`))
      const pipe = place.start(
        `kf-parse context/Dockerfile | ${buildPipe('oci:out:1', { run: '--context context' })}`,
      )
      await waitUntil('the RUN step runs', () => processesOf(step).length > 0, 60_000)
      const everything = [...processesOf(step), ...descendants(pipe.pid)]
      process.kill(stagePids(pipe).get(victim) ?? 0, 'SIGKILL')
      const started = Date.now()
      const { statuses } = await pipe.done
      t.ok(Date.now() - started < CAUGHT_MS, 'within seconds')
      t.notOk(statuses.slice(1).includes(0), `every process ended non-zero: ${statuses.join(' ')}`)
      t.same([place.tags(place.path('out')), place.tags()], [[], []], 'no index entry, no tag')
      await waitUntil('every process is gone', () => everything.every(pid => !isAlive(pid)))
      t.same(mountTable(), mounts, 'no mount is left')
    })
  }
})

t.test('a filter that drops a record is seen', { skip: need('root', 'jq') }, async t => {
  const rows = [
    { stage: 'ovl-diff', filter: 'select(.path != "srv/made")', code: 'CHANGES_MISMATCH', why: 'one change' },
    { stage: 'ovl-diff', filter: 'select(.type != "layer-end")', code: '', why: 'one layer-end' },
    {
      stage: 'layer-pack',
      filter: 'select(.type != "layer" or (.createdBy | contains("RUN") | not))',
      code: '',
      why: 'one layer',
    },
    {
      stage: 'manifest-gen',
      filter: 'select(.type != "layer" or (.createdBy | contains("RUN") | not))',
      code: '',
      why: 'one layer after the manifest',
    },
    { stage: 'manifest-gen', filter: 'select(.type != "manifest")', code: '', why: 'the manifest' },
    ...STAGES.slice(0, -1).map(stage => ({
      stage,
      filter: 'select(.type != "end")',
      code: 'INPUT_CUT',
      why: `the end of ${stage}`,
    })),
  ]
  const place = lab(t)
  writeContext(place, dockerfile())
  for (const { stage, filter, code, why } of rows) {
    const command = `kf-parse context/Dockerfile | ${buildPipe('oci:out:1', { run: '--context context' })}`
    const filtered = command.replace(new RegExp(`\\| ${stage}[^|]*`), found => `${found}| jq -c '${filter}' `)
    const result = await place.run(filtered)
    t.equal(result.status, 1, why)
    t.match(
      result.stderr,
      new RegExp(`^[a-z-]+: .*\\[[A-Z_]*${code}[A-Z_]*\\]$`, 'm'),
      `${why}: one line says so`,
    )
    t.same([place.tags(place.path('out')), place.tags()], [[], []], `${why}: nothing published`)
  }
})

t.test('bad input', async t => {
  const place = lab(t)
  const mounts = mountTable()
  writeContext(place, dockerfile())
  place.write({ 'empty/Dockerfile': '', 'unknown/Dockerfile': 'FROM scratch\nFLY to the moon\n' })
  const rows: readonly BadInput[] = [
    {
      dockerfile: 'FROM scratch\n\nFLY to the moon\n',
      says: /Dockerfile:3.*FLY/,
      why: 'an unknown instruction',
    },
    { dockerfile: '', says: /Dockerfile/, why: 'an empty file' },
    { dockerfile: undefined, says: /no\/such\/Dockerfile/, why: 'a missing file' },
    { dockerfile: 'FROM oci:nowhere:1\n', says: /nowhere/, why: 'FROM of a layout that is not there' },
    {
      dockerfile: 'FROM 127.0.0.1:1/x:1\n',
      says: /127\.0\.0\.1:1/,
      status: 75,
      why: 'FROM of a registry that is down',
    },
    { dockerfile: 'FROM scratch\nCOPY missing /\n', says: /missing/, why: 'COPY of a missing source' },
    {
      dockerfile: 'FROM scratch\nCOPY ../outside /\n',
      says: /outside/,
      why: 'COPY from outside the context',
    },
  ]
  for (const row of rows) await refuses(t, place, row)
  t.same(mountTable(), mounts)
})

t.test('RUN that fails', { skip: need('root') }, async t => {
  const place = lab(t)
  const mounts = mountTable()
  writeContext(place, dockerfile('RUN echo "from inside" >&2; \\\n  exit 7'))
  const result = await place.run(
    `kf-parse context/Dockerfile | ${buildPipe('oci:out:1', { run: '--context context' })}`,
  )
  t.equal(result.statuses[1], 1)
  t.match(result.stderr, /^context\/Dockerfile:7-8: from inside$/m, 'its output, with its place')
  t.match(result.stderr, /kf-run: .*\b7\b/, 'its exit status')
  t.match(result.stderr, /Dockerfile:7|lines? 7/, 'the lines of the instruction')
  t.same([place.tags(place.path('out')), place.tags(), mountTable()], [[], [], mounts])
})

t.test('a registry that misbehaves', async t => {
  const rows = [
    { fault: 'status 500', status: 75, why: 'a broken server' },
    { fault: 'wrong digest', status: 1, why: 'other bytes of the same size' },
    { fault: 'half a blob', status: 75, why: 'the connection breaks off' },
    { fault: 'status 404', status: 1, why: 'no such image' },
  ] as const
  for (const { fault, status, why } of rows) {
    const place = lab(t)
    const host = await badRegistry(t, fault)
    const result = await place.run(`img-pull docker://${host}/a/b:1 | untar out`)
    t.equal(result.statuses[0], status, `${why}: ${result.stderr}`)
    t.match(result.stderr, /^img-pull: .* \[[A-Z_]+\]$/m, why)
    t.notOk(fs.existsSync(place.path('out')), `${why}: no tree`)
    t.same(place.tags(), [], `${why}: no tag`)
  }
})

t.test('a store without space', { skip: need('root') }, async t => {
  const place = lab(t)
  fs.mkdirSync(place.store)
  await place.good(`mount -t tmpfs -o size=256k tmpfs ${place.store}`)
  place.write({ 'tree/': '' })
  // Random bytes do not compress.
  fs.writeFileSync(place.path('tree/file'), crypto.randomBytes(1 << 20))
  const result = await place.run(`layer-pack --dir tree | manifest-gen -t full:1 | blob-put oci:out:1`)
  t.equal(result.statuses[0], 75)
  t.match(result.stderr, /^layer-pack: .*ENOSPC|no space left/im)
  t.same([place.tags(place.path('out')), place.tags()], [[], []])
  await place.good(`umount ${place.store}`)
})

interface BadInput {
  readonly dockerfile: string | undefined
  readonly says: RegExp
  readonly status?: number
  readonly why: string
}

async function refuses(t: Test, place: Lab, row: BadInput): Promise<void> {
  const file = row.dockerfile === undefined ? 'no/such/Dockerfile' : 'context/Dockerfile'
  if (row.dockerfile !== undefined) place.write({ 'context/Dockerfile': row.dockerfile })
  const result = await place.run(`kf-parse ${file} | ${buildPipe('oci:out:1', { run: '--context context' })}`)
  const failed = result.statuses.find(status => status !== 0)
  t.equal(failed, row.status ?? 1, `${row.why}: ${result.stderr}`)
  t.match(firstLine(result), row.says, row.why)
  t.same([place.tags(place.path('out')), place.tags()], [[], []], `${row.why}: nothing published`)
}

function firstLine({ stderr }: PipeResult): string {
  return stderr.split('\n')[0] ?? ''
}

/** The process of each stage, by its name. */
function stagePids(pipe: RunningPipe): Map<string, number> {
  return new Map(childrenOf(pipe.pid).map(pid => [programOf(pid), pid]))
}

function programOf(pid: number): string {
  const words = commandLine(pid)
  return path.basename(words[1] ?? '')
}

function commandLine(pid: number): string[] {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
  } catch {
    return []
  }
}

function descendants(pid: number): number[] {
  return childrenOf(pid).flatMap(child => [child, ...descendants(child)])
}

/** The processes with exactly this command line. */
function processesOf(command: string): number[] {
  const pids = fs
    .readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
  return pids.filter(pid => commandLine(pid).join(' ').trim() === command)
}

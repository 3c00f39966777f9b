// Measures packing, unpacking and start-up beside other programs, in one run: what counts are the ratios.
// Runs of the contenders alternate, so that a busy moment of the machine strikes all; medians are shown,
// with CPU seconds (user and system of all processes) and the largest resident set of one process.
// --tree DIR: what is packed (a Debian of the tests' cache, else /usr/share). --runs N: 3.
import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const bin = path.join(root, 'bin')
const { values } = parseArgs({
  options: { tree: { type: 'string' }, runs: { type: 'string', default: '3' } },
})
const cached = path.join(process.env.PIPELAYER_TEST_CACHE ?? '/var/cache/pipelayer-test', 'bookworm')
const tree = values.tree ?? (fs.existsSync(cached) ? cached : '/usr/share')
const runs = Number(values.runs)
// In memory where that is possible: making files on a virtual disk varies tenfold from run to run.
const memory = '/dev/shm'
const base = fs.existsSync(memory) ? memory : os.tmpdir()
const work = fs.mkdtempSync(path.join(base, 'pipelayer-bench-'))
process.on('exit', () => spawnSync('rm', ['-rf', work]))

console.log(
  `tree ${tree}, ${execFileSync('du', ['-sh', tree], { encoding: 'utf8' }).split('\t')[0]}; ${runs} runs each`,
)
const env = {
  ...process.env,
  PATH: `${bin}:${process.env.PATH}`,
  W: work,
  T: tree,
  PIPELAYER_STORE: `${work}/store`,
}
execFileSync('bash', ['-c', 'tar -C "$T" --xattrs -cf "$W/tree.tar" . && pigz -kf "$W/tree.tar"'], {
  env,
  stdio: 'inherit',
})

compare('pack a tree into a gzip layer', 'rm -rf "$W/store" "$W/umoci" "$W/b"', [
  { name: 'layer-pack', command: 'layer-pack --dir "$T" > /dev/null' },
  {
    name: '... libisal',
    needs: '/usr/lib/*/libisal.so.2',
    command: 'layer-pack --dir "$T" --engine libisal > /dev/null',
  },
  { name: '... zstd', command: 'layer-pack --dir "$T" --compress zstd > /dev/null' },
  { name: '... none', command: 'layer-pack --dir "$T" --compress none > /dev/null' },
  { name: 'tar | pigz -6', needs: 'pigz', command: 'tar -C "$T" --xattrs -cf - . | pigz -6 | sha256sum' },
  { name: 'tar | gzip -6', command: 'tar -C "$T" --xattrs -cf - . | gzip -6 | sha256sum' },
  {
    name: 'umoci insert',
    needs: 'umoci',
    command:
      'umoci init --layout "$W/umoci" && umoci new --image "$W/umoci:t" && umoci insert --image "$W/umoci:t" "$T" / >/dev/null',
  },
])
compare('unpack a gzip layer', 'rm -rf "$W/out"', [
  { name: 'untar', command: 'untar --tar "$W/tree.tar.gz" "$W/out" > /dev/null' },
  {
    name: 'GNU tar',
    command: 'mkdir "$W/out" && tar -C "$W/out" --xattrs --xattrs-include="*" -xzpf "$W/tree.tar.gz"',
  },
  { name: 'bsdtar', needs: 'bsdtar', command: 'mkdir "$W/out" && bsdtar -C "$W/out" -xpf "$W/tree.tar.gz"' },
])
compare('start-up (--version)', 'true', [
  { name: 'node -e 0', command: 'node -e 0' },
  ...fs
    .readdirSync(bin)
    .sort()
    .map(tool => ({ name: tool, command: `${tool} --version > /dev/null` })),
])

/** Runs each contender `runs` times in turn and prints medians; ratios are to the first. */
function compare(title, before, contenders) {
  const present = contenders.filter(({ needs }) => !needs || isPresent(needs))
  const samples = new Map(present.map(({ name }) => [name, []]))
  for (let run = 0; run < runs; run++) {
    for (const { name, command } of present) {
      spawnSync('bash', ['-c', before], { env })
      const sample = measure(command)
      if (sample) samples.get(name).push(sample)
    }
  }
  console.log(`\n${title}\n${row(['', 'wall s', 'ratio', 'cpu s', 'ratio', 'peak MB'])}`)
  const base = medians(samples.get(present[0].name))
  for (const [name, list] of samples) {
    const one = medians(list)
    const cells =
      list.length === 0
        ? ['failed']
        : [one.wall, ratio(one.wall, base.wall), one.cpu, ratio(one.cpu, base.cpu), one.peak]
    console.log(row([name, ...cells.map(cell => (typeof cell === 'number' ? cell.toFixed(2) : cell))]))
  }
}

/** A program of PATH, or a file by a pattern of the shell. */
function isPresent(needs) {
  return spawnSync('bash', ['-c', `command -v ${needs} || ls ${needs}`]).status === 0
}

function measure(command) {
  const report = path.join(work, 'time')
  const { status, stderr } = spawnSync(
    '/usr/bin/time',
    ['-o', report, '-f', '%e %U %S %M', 'bash', '-o', 'pipefail', '-c', command],
    { env, encoding: 'utf8' },
  )
  if (status !== 0) {
    console.error(`bench: ${command} ended with ${status}: ${stderr.slice(-300)}`)
    return undefined
  }
  const [wall, user, system, kilobytes] = fs
    .readFileSync(report, 'utf8')
    .trim()
    .split('\n')
    .at(-1)
    .split(' ')
    .map(Number)
  return { wall, cpu: user + system, peak: kilobytes / 1000 }
}

function medians(list) {
  const of = key => list.map(sample => sample[key]).sort((a, b) => a - b)[list.length >> 1] ?? Number.NaN
  return { wall: of('wall'), cpu: of('cpu'), peak: of('peak') }
}

function ratio(value, base) {
  return base > 0 ? `${(value / base).toFixed(2)}x` : '-'
}

function row([name, ...cells]) {
  return `  ${name.padEnd(16)}${cells.map(cell => cell.padStart(9)).join('')}`
}

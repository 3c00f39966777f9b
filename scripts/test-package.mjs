// Runs the tests of the package in the current folder: each test/*.test.ts is bundled from source
// (npm packages stay outside), run with node, and its TAP read. Writes .test/results.json; exits 1 on any failure.
// Arguments choose test files by a part of their name.
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { build } from 'esbuild'

const require = createRequire(import.meta.url)
const { Parser } = createRequire(require.resolve('tap'))('tap-parser')
const wanted = process.argv.slice(2)
const files = list(fs.existsSync('test') ? 'test' : '.')
const chosen = files.filter(file => wanted.length === 0 || wanted.some(part => file.includes(part))).sort()

fs.rmSync('.test', { recursive: true, force: true })
await build({
  entryPoints: chosen,
  outdir: '.test',
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  sourcemap: 'inline',
  outExtension: { '.js': '.mjs' },
  logLevel: 'warning',
  conditions: ['@pipelayer/source'],
  plugins: [{ name: 'npm-outside', setup: b => b.onResolve({ filter: /^[^.]/ }, external) }],
  banner: { js: "import{createRequire as __r}from'node:module';const require=__r(import.meta.url);" },
})

const totals = { passed: 0, failed: 0, skipped: 0 }
for (const file of chosen) add(await run(path.join('.test', output(file)), file))
fs.mkdirSync('.test', { recursive: true })
fs.writeFileSync('.test/results.json', `${JSON.stringify(totals)}\n`)
const name = JSON.parse(fs.readFileSync('package.json', 'utf8')).name
console.log(`${name}: ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
process.exit(totals.failed ? 1 : 0)

function external({ path: name, kind }) {
  if (kind === 'entry-point' || name.startsWith('@pipelayer/') || path.isAbsolute(name)) return undefined
  return { path: name, external: true }
}

// If there is one entry point, or all are in one folder, esbuild leaves out the common folder.
function output(file) {
  const common = chosen
    .map(f => path.dirname(f))
    .reduce((a, b) => (b.startsWith(a) ? a : b.length < a.length ? b : a))
  return path.relative(common, file).replace(/\.ts$/, '.mjs')
}

function run(script, file) {
  return new Promise(resolve => {
    // In seconds: pipes over a whole Debian take longer than tap's default of 30.
    const env = { ...process.env, TAP: '1', TAP_TIMEOUT: '900', FORCE_COLOR: '0' }
    delete env.NODE_EXTRA_CA_CERTS
    const child = spawn(process.execPath, ['--enable-source-maps', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env,
    })
    const parser = new Parser({ bail: false })
    const counts = { passed: 0, failed: 0, skipped: 0 }
    watch(parser, [file], counts)
    parser.on('complete', result => {
      if (!result.ok && counts.failed === 0) fail(counts, [file], 'the file itself failed', result)
    })
    child.stdout.pipe(parser)
    child.on('close', (code, signal) => {
      if ((code || signal) && counts.failed === 0) fail(counts, [file], `ended with ${signal ?? code}`)
      if (counts.passed + counts.failed + counts.skipped === 0) fail(counts, [file], 'ran no test')
      resolve(counts)
    })
  })
}

// Counts the innermost assertions: the test point that closes a subtest is not one more,
// unless it fails (a time-out, a wrong plan) though all inside passed, or was skipped as a whole.
function watch(parser, trail, counts) {
  let inner
  parser.on('child', child => {
    inner = { passed: 0, failed: 0, skipped: 0 }
    watch(child, [...trail, child.name], inner)
  })
  parser.on('assert', result => {
    const closed = inner
    inner = undefined
    if (closed) for (const key of Object.keys(counts)) counts[key] += closed[key]
    if (result.skip || result.todo) {
      counts.skipped++
      console.log(`skipped: ${[...trail, result.name].join(' > ')}: ${result.skip || result.todo}`)
    } else if (!result.ok && !closed?.failed) fail(counts, trail, result.name, result.diag)
    else if (result.ok && !closed) counts.passed++
  })
}

function fail(counts, trail, what, diag) {
  counts.failed++
  console.log(`FAILED: ${[...trail, what].join(' > ')}`)
  if (diag) console.log(explain(diag))
}

// Prints first what a reader needs: the difference, the message, the line.
function explain({ diff, at, source, stack, ...rest }) {
  const where = at?.fileName ? `    at ${at.fileName}:${at.lineNumber}` : (stack ?? '').split('\n')[0]
  const details = Object.keys(rest).length > 0 ? JSON.stringify(rest) : ''
  return [where, diff, details].filter(Boolean).join('\n').slice(0, 4000)
}

function add(counts) {
  for (const key of Object.keys(totals)) totals[key] += counts[key]
}

function list(dir) {
  return fs
    .readdirSync(dir, { recursive: true })
    .map(f => path.join(dir, f))
    .filter(f => f.endsWith('.test.ts') && !f.includes('node_modules'))
}

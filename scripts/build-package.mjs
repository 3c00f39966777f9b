// Builds the package or tool in the current folder into dist/: JavaScript and types for other programs
// (tsc; the packages it needs are built before), and for a tool the one-file program that its bin names (esbuild).
// --bundle: the program alone, straight from sources, for a quick try.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import Module, { createRequire, isBuiltin } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const require = createRequire(import.meta.url)
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
// These programs are started for each command, so they get the launcher, which keeps V8's compiled code.
const LAUNCHED = ['cli', 'executor']
const manifest = JSON.parse(fs.readFileSync('package.json', 'utf8'))

// Old programs stay until the new ones are written, so that a pipe that runs meanwhile always finds one of them.
for (const name of fs.existsSync('dist') ? fs.readdirSync('dist') : [])
  if (!name.endsWith('.cjs')) fs.rmSync(path.join('dist', name), { recursive: true })
if (fs.existsSync('scripts/generate.mjs')) run(process.execPath, ['scripts/generate.mjs'])
if (!process.argv.includes('--bundle')) run(path.join(root, 'node_modules/.bin/tsc'), ['-p', '.'])
for (const program of ['cli', ...(manifest.pipelayer?.programs ?? [])]) {
  if (fs.existsSync(`src/${program}.ts`)) await bundle(program)
}
if (manifest.bin) link(Object.keys(manifest.bin)[0])

// One CommonJS file starts faster than ESM; string-width alone would cost 65 ms of start-up
// (Intl.Segmenter and an emoji regexp at module top level), so yargs gets a plain one.
async function bundle(program) {
  const { outputFiles, metafile } = await build({
    entryPoints: [`src/${program}.ts`],
    bundle: true,
    write: false,
    metafile: true,
    outdir: 'dist',
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    minify: true,
    keepNames: true,
    legalComments: 'none',
    logLevel: 'warning',
    conditions: ['@pipelayer/source'],
    external: ['koffi'],
    plugins: [{ name: 'builtins', setup: builtins }],
    alias: {
      'string-width': path.join(root, 'scripts/string-width.mjs'),
      assert: path.join(root, 'scripts/assert.mjs'),
    },
    define: { 'import.meta.url': '__moduleUrl', PIPELAYER_VERSION: JSON.stringify(manifest.version) },
    banner: {
      js: `const __moduleUrl=require('node:url').pathToFileURL(__filename).href;`,
    },
  })
  // The launcher runs the program as a script, which could not import modules at run time without a warning of Node.
  const [{ imports }] = Object.values(metafile.outputs)
  if (imports.some(({ kind }) => kind === 'dynamic-import'))
    throw new Error(`${program} imports at run time what is not in the bundle`)
  const [{ contents }] = outputFiles
  if (LAUNCHED.includes(program)) launched(program, contents)
  else replace(`dist/${program}.cjs`, contents)
}

// Imports of Node's own modules are joined: for every file that imports one, esbuild would copy all of its names,
// thousands of properties at each start. Unused ones are removed. A module that is imported at run time alone is loaded
// then.
function builtins({ onResolve, onLoad }) {
  onResolve({ filter: /^[a-z]/ }, ({ path: name, kind, namespace }) => {
    if (!isBuiltin(name) || name === 'assert') return undefined
    const plain = name.replace(/^node:/, '')
    if (kind !== 'require-call' && namespace !== 'builtin') return { path: plain, namespace: 'builtin' }
    return { path: `node:${plain}`, external: true }
  })
  onLoad({ filter: /./, namespace: 'builtin' }, ({ path: name }) => {
    const names = Object.keys(require(name)).filter(
      key => /^[a-zA-Z_$][\w$]*$/.test(key) && key !== 'default',
    )
    const exported = names.map(key => `export const ${key} = /* @__PURE__ */ (() => it.${key})()`)
    return { contents: [`const it = require('node:${name}')`, 'export default it', ...exported].join('\n') }
  })
}

function launched(program, contents) {
  const other = contents.findIndex(byte => byte > 0x7f)
  if (other !== -1) {
    const near = Buffer.from(contents.subarray(Math.max(0, other - 40), other + 40)).toString()
    throw new Error(`${program} is not ASCII near '${near}': write the character as an escape`)
  }
  const name = `${program}-${createHash('sha256').update(contents).digest('hex').slice(0, 16)}.cjs`
  // The launcher would have to copy a megabyte to put the wrapper around it.
  replace(`dist/${name}`, Module.wrap(Buffer.from(contents).toString('latin1')))
  const launcher = fs.readFileSync(path.join(root, 'scripts/launcher.cjs'), 'utf8')
  replace(`dist/${program}.cjs`, launcher.replaceAll('PROGRAM', name))
  for (const older of fs.readdirSync('dist'))
    if (older.startsWith(`${program}-`) && older !== name) fs.rmSync(path.join('dist', older))
}

function replace(file, contents) {
  fs.mkdirSync('dist', { recursive: true })
  fs.writeFileSync(`${file}.new`, contents, { mode: 0o755 })
  fs.renameSync(`${file}.new`, file)
}

// bin/ at the root holds a link to every program, so that one PATH entry reaches them all.
function link(name) {
  const target = path.join(root, 'bin', name)
  fs.mkdirSync(path.dirname(target), { recursive: true })
  const temporary = `${target}.${process.pid}`
  fs.symlinkSync(path.relative(path.dirname(target), path.resolve('dist/cli.cjs')), temporary)
  fs.renameSync(temporary, target)
}

function run(command, args) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

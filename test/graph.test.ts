// Checks the packages against ARCHITECTURE.md: ranks, cycles, dependencies, access to the system, sizes.
import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { importsOf, packageOf, ROOT, ranks, sourceFiles, withoutComments, workspaces } from './workspace.js'

const SCOPE = '@pipelayer/'
const MAX_LINES = 400
const all = workspaces()
const rankTable = ranks()
const rootManifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'))

t.test('every package stands in the table of ARCHITECTURE.md', async t => {
  for (const { name, kind } of all) {
    if (kind === 'package') t.ok(rankTable.has(name), `${name} has a rank`)
  }
  for (const name of rankTable.keys()) {
    t.ok(name === 'tools/*' || all.some(one => one.name === name), `${name} of the table exists`)
  }
})

t.test('imports point to a lower rank', async t => {
  for (const one of all) {
    const wrong = importsOf(one, 'src')
      .filter(({ from }) => from.startsWith(SCOPE) && rankOf(packageOf(from)) >= rankOf(SCOPE + one.name))
      .map(({ file, from }) => `${file} imports ${from}`)
    t.same(wrong, [], one.name)
  }
})

t.test('a group of packages imports from groups that stand above it in the table', async t => {
  const text = fs.readFileSync(path.join(ROOT, 'ARCHITECTURE.md'), 'utf8')
  const order = [...text.matchAll(/^\| `(\w+)` \|/gm)].map(match => match[1] ?? '')
  const groupOf = (one: (typeof all)[number]): string => path.basename(path.dirname(one.dir))
  const groups = new Map(all.map(one => [SCOPE + one.name, groupOf(one)]))
  const rows = order.slice(0, order.indexOf('testing') + 1)
  for (const one of all.filter(({ kind }) => kind === 'package')) {
    t.ok(rows.includes(groupOf(one)), `${groupOf(one)} has a row`)
    const wrong = importsOf(one, 'src')
      .map(({ from }) => groups.get(packageOf(from)) ?? groupOf(one))
      .filter(group => rows.indexOf(group) > rows.indexOf(groupOf(one)))
    t.same(wrong, [], one.name)
  }
})

t.test('relative imports stay in their package', async t => {
  for (const one of all) {
    const wrong = importsOf(one, 'src').filter(
      ({ file, from }) => from.startsWith('.') && !path.join(path.dirname(file), from).startsWith('src/'),
    )
    t.same(wrong, [], one.name)
  }
})

t.test('no file imports itself through others', async t => {
  for (const one of all) t.same(cycles(fileGraph(one.dir)), [], one.name)
})

t.test('what is declared is imported, and the other way round', async t => {
  for (const one of all) {
    const imported = npmNames(importsOf(one, 'src'))
    t.same(
      sorted(imported),
      sorted(Object.keys(one.manifest.dependencies ?? {})),
      `${one.name}: dependencies`,
    )
  }
})

t.test('tests import only what is declared', async t => {
  for (const one of all) {
    const declared = new Set([
      SCOPE + one.name,
      ...Object.keys(one.manifest.dependencies ?? {}),
      ...Object.keys(one.manifest.devDependencies ?? {}),
      ...Object.keys(rootManifest.devDependencies),
    ])
    t.same(
      [...npmNames(importsOf(one, 'test'))].filter(name => !declared.has(name)),
      [],
      one.name,
    )
  }
})

t.test('one package imports each third-party package', async t => {
  const importers = new Map<string, Set<string>>()
  for (const one of all) {
    for (const name of npmNames(importsOf(one, 'src'))) {
      if (!name.startsWith(SCOPE)) importers.set(name, (importers.get(name) ?? new Set()).add(one.name))
    }
  }
  for (const [name, users] of importers) t.equal(users.size, 1, `${name}: ${[...users].join(', ')}`)
})

// A digest must not depend on the machine that computes it. `import.meta` and bundled programs are exempt.
const WORLD = [
  // An import of types only is no access.
  /^import (?!type )[^']*from 'node:(fs|fs\/promises|child_process|net|tls|http|https|http2|dgram|dns|os|process|worker_threads|perf_hooks|timers)'/m,
  /\bprocess\.(?!emitWarning)\w+/,
  /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b/,
  /\bMath\.random\b|\brandom(Bytes|UUID|Int)\b/,
  /(?<!\.)\bfetch\(|\bconsole\./,
]

t.test(
  'ranks 0 to 2 but sys, and planning, touch no clock, environment, folder, random source, file or network',
  async t => {
    const isPure = (name: string): boolean =>
      (rankOf(SCOPE + name) <= 2 && name !== 'sys') || name === 'planning'
    for (const one of all.filter(each => isPure(each.name))) {
      const found = sourceFiles(path.join(one.dir, 'src')).flatMap(file => {
        const text = withoutComments(fs.readFileSync(path.join(one.dir, 'src', file), 'utf8'))
        return WORLD.filter(pattern => pattern.test(text)).map(
          pattern => `${file}: ${text.match(pattern)?.[0]}`,
        )
      })
      t.same(found, [], one.name)
    }
  },
)

// A tool is a process of its own, with options, records and an exit status. A library that started one would need its
// path, and would have to read its output. Code that both need lies in a library, which both call.
t.test('no package starts a program of ours', async t => {
  const tools = all.filter(({ kind }) => kind === 'tool').map(({ name }) => name)
  const types = new Set(fs.readdirSync(path.join(ROOT, 'packages/base/records/schemas')))
  const commands = tools.filter(name => !types.has(`${name}.json`))
  const patterns = [
    /\bdist\/|\bcli\.cjs\b/,
    new RegExp(`['"\`](?:${commands.join('|')})(?=['"\`\\s])`),
    new RegExp(`\\b(?:spawn|exec|fork|runProgram|findProgram)\\w*\\([^)]*\\b(?:${tools.join('|')})\\b`),
  ]
  for (const one of all.filter(({ kind, name }) => kind === 'package' && name !== 'testkit')) {
    const found = sourceFiles(path.join(one.dir, 'src'))
      .filter(file => !file.startsWith('generated/'))
      .flatMap(file => {
        const text = withoutComments(fs.readFileSync(path.join(one.dir, 'src', file), 'utf8'))
        return patterns.flatMap(pattern => text.match(pattern)?.[0] ?? []).map(what => `${file}: ${what}`)
      })
    t.same(found, [], one.name)
  }
})

t.test('all packages have one version, in their manifests and in the lockfile', async t => {
  const lock = JSON.parse(fs.readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')).packages
  const ours = (list: object = {}): object =>
    Object.fromEntries(Object.entries(list).filter(([name]) => name.startsWith(SCOPE)))
  for (const { dir } of all) {
    const one = JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8'))
    const locked = lock[path.relative(ROOT, dir)] ?? {}
    t.equal(one.version, rootManifest.version, `${one.name}: its version`)
    t.equal(locked.version, one.version, `${one.name}: its version in the lockfile`)
    for (const kind of ['dependencies', 'devDependencies']) {
      const wrong = Object.entries(ours(one[kind])).filter(([, version]) => version !== rootManifest.version)
      t.same(wrong, [], `${one.name}: ${kind}`)
      t.same(ours(locked[kind]), ours(one[kind]), `${one.name}: ${kind} in the lockfile`)
    }
  }
})

t.test('the lockfile names the packages of every platform, or npm ci refuses it', async t => {
  const { packages } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>
  }
  const named = new Set(Object.keys(packages).map(place => place.replace(/^.*node_modules\//, '')))
  const wanted = Object.values(packages).flatMap(({ optionalDependencies = {} }) =>
    Object.keys(optionalDependencies),
  )
  t.same(
    [...new Set(wanted)].filter(name => !named.has(name)),
    [],
    'node scripts/complete-lock.mjs adds them',
  )
})

t.test('every error code is explained where it is thrown from', async t => {
  for (const one of all) {
    const texts = sourceFiles(path.join(one.dir, 'src')).map(file =>
      fs.readFileSync(path.join(one.dir, 'src', file), 'utf8'),
    )
    const codes = texts.flatMap(text =>
      [...text.matchAll(/ToolError\(\s*'([A-Z][A-Z0-9_]+)'/g)].map(match => match[1]),
    )
    const readme = path.join(one.dir, 'README.md')
    const comments = texts.flatMap(text => text.match(/\/\*\*[\s\S]*?\*\/|\/\/.*$/gm) ?? [])
    const prose = [...comments, fs.existsSync(readme) ? fs.readFileSync(readme, 'utf8') : ''].join('\n')
    t.same(
      [...new Set(codes)].filter(code => !prose.includes(`\`${code}\``)),
      [],
      one.name,
    )
  }
})

t.test('nobody finds out what a place is by reading its text', async t => {
  for (const one of all.filter(({ name }) => name !== 'places')) {
    const wrong = sourceFiles(path.join(one.dir, 'src')).filter(file =>
      /\bplace\.text\s*(?:[!=]==|\.startsWith)|\btext\s*[!=]==\s*'(?:store|docker|oci|registry-fs):/.test(
        fs.readFileSync(path.join(one.dir, 'src', file), 'utf8'),
      ),
    )
    t.same(wrong, [], one.name)
  }
})

t.test('an entry of the changelog has at most 40 words', async t => {
  const text = fs.readFileSync(path.join(ROOT, 'CHANGELOG.md'), 'utf8')
  const [, now = ''] = text.split('## [Unreleased]')
  const entries = now.slice(0, now.indexOf('## [0.1.0]')).split(/\n(?=- |#)/)
  t.ok(entries.length > 1, 'there are entries')
  const long = entries.filter(
    entry => entry.startsWith('- ') && entry.slice(2).trim().split(/\s+/).length > 40,
  )
  t.same(long, [])
})

t.test(`no file has more than ${MAX_LINES} lines`, async t => {
  const folders = [...all.map(one => path.relative(ROOT, one.dir)), 'test', 'scripts']
  for (const folder of folders) {
    const long = sourceFiles(path.join(ROOT, folder))
      .map(file => ({
        file,
        lines: fs.readFileSync(path.join(ROOT, folder, file), 'utf8').split('\n').length - 1,
      }))
      .filter(({ lines }) => lines > MAX_LINES)
    t.same(long, [], folder)
  }
})

function rankOf(name: string): number {
  const short = name.replace(SCOPE, '')
  return rankTable.get(short) ?? rankTable.get('tools/*') ?? Number.NaN
}

function npmNames(imports: readonly { readonly from: string }[]): Set<string> {
  return new Set(
    imports
      .map(({ from }) => from)
      .filter(from => !/^(\.|node:)/.test(from))
      .map(packageOf),
  )
}

function sorted(names: Iterable<string>): string[] {
  return [...names].sort()
}

function fileGraph(dir: string): Map<string, string[]> {
  const one = { dir, name: '', kind: 'package', manifest: { name: '', version: '' } } as const
  const graph = new Map<string, string[]>()
  for (const { file, from, typesOnly } of importsOf(one, 'src')) {
    // Type imports may form cycles inside a package; others must not.
    if (typesOnly || !from.startsWith('.')) continue
    const target = path.join(path.dirname(file), from).replace(/\.js$/, '.ts')
    graph.set(file, [...(graph.get(file) ?? []), target])
  }
  return graph
}

/** The cycles that a walk from each node meets, each as `a > b > a`. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found = new Set<string>()
  const done = new Set<string>()
  const visit = (node: string, trail: readonly string[]): void => {
    if (trail.includes(node)) found.add([...trail.slice(trail.indexOf(node)), node].join(' > '))
    if (trail.includes(node) || done.has(node)) return
    for (const next of graph.get(node) ?? []) visit(next, [...trail, node])
    done.add(node)
  }
  for (const node of graph.keys()) visit(node, [])
  return [...found]
}

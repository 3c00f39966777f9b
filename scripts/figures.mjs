// The figures of the code, read from its syntax trees, and the bounds that `npm run check` holds them to.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { functionsOf, importsOf, indexExports, parse } from './figures-syntax.mjs'
import { fieldsOf, typesOf } from './figures-types.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')

const BOUNDS = {
  packageLines: 3000,
  packageFiles: 30,
  fileLines: 400,
  functionLines: 60,
  nesting: 3,
  parameters: 3,
  fields: 10,
}

const houses = workspaces()
const files = houses.flatMap(house => house.files)
const functions = files.flatMap(file => file.functions)
const findings = check()

if (process.argv.includes('--check')) {
  for (const finding of findings) console.log(finding)
} else print()
process.exit(process.argv.includes('--check') && findings.length > 0 ? 1 : 0)

/** Every package and tool, with the files of its src. */
function workspaces() {
  const groups = fs.readdirSync(path.join(root, 'packages')).map(name => `packages/${name}`)
  // A flat folder of packages, as in older commits, is read too, so that figures can be compared.
  const dirs = groups.flatMap(group => (isPackage(group) ? [group] : list(group).filter(isPackage)))
  return [...dirs, ...list('tools').filter(isPackage)].map(dir => {
    const { name } = JSON.parse(fs.readFileSync(path.join(root, dir, 'package.json'), 'utf8'))
    return { dir, name, files: sources(`${dir}/src`).map(read), tests: sources(`${dir}/test`).map(read) }
  })
}

function list(dir) {
  return fs.readdirSync(path.join(root, dir)).map(name => `${dir}/${name}`)
}

function isPackage(dir) {
  return fs.existsSync(path.join(root, dir, 'package.json'))
}

function sources(dir) {
  if (!fs.existsSync(path.join(root, dir))) return []
  return fs
    .readdirSync(path.join(root, dir), { recursive: true })
    .filter(name => name.endsWith('.ts') && !name.startsWith('generated/'))
    .map(name => path.join(dir, name))
    .sort()
}

function read(file) {
  const text = fs.readFileSync(path.join(root, file), 'utf8')
  const tree = parse(file, text)
  return {
    file,
    lines: text.split('\n').length - 1,
    functions: functionsOf(tree, text).map(one => ({ ...one, file })),
    imports: importsOf(tree),
    exports: indexExports(tree),
    ...typesOf(tree),
  }
}

/** The figures that exceed a bound, one a line. */
function check() {
  const over = []
  for (const house of houses) {
    const { lines, count } = sizeOf(house)
    const isLarge = lines > BOUNDS.packageLines || count > BOUNDS.packageFiles
    if (isLarge && !hasReason(house.dir))
      over.push(
        `${house.dir}: ${count} files, ${lines} lines: split it, or say why under "## Size" in its README.md`,
      )
  }
  for (const { file, lines } of files)
    if (lines > BOUNDS.fileLines) over.push(`${file}: ${lines} lines, ${BOUNDS.fileLines} at most`)
  for (const one of functions)
    for (const problem of functionProblems(one)) over.push(`${one.file}:${one.line}: ${one.name} ${problem}`)
  for (const name of unusedExports()) over.push(`${name}: no other package imports it`)
  for (const type of wideTypes())
    over.push(`${type}, ${BOUNDS.fields} at most: group those that belong together`)
  for (const pair of mutualPairs()) over.push(`${pair}: each imports the other`)
  for (const cycle of cycles()) over.push(`${cycle}: these files import each other`)
  return over
}

// A function that stands for a system call has the parameters of the call, in their order, and is documented by its
// manual page.
function isSystemCall(file, name) {
  return file.startsWith('packages/base/sys/') && ['mount', 'openat', 'utimensat'].includes(name)
}

function functionProblems({ file, name, lines, nesting, parameters, booleans }) {
  const problems = []
  if (lines > BOUNDS.functionLines) problems.push(`has ${lines} lines, ${BOUNDS.functionLines} at most`)
  if (nesting > BOUNDS.nesting) problems.push(`nests ${nesting} levels deep, ${BOUNDS.nesting} at most`)
  if (parameters > BOUNDS.parameters && !isSystemCall(file, name))
    problems.push(`has ${parameters} positional parameters, ${BOUNDS.parameters} at most`)
  if (booleans > 0) problems.push('has a boolean positional parameter: name it in an object')
  return problems
}

function hasReason(dir) {
  const readme = path.join(root, dir, 'README.md')
  return fs.existsSync(readme) && /^## Size$/m.test(fs.readFileSync(readme, 'utf8'))
}

function sizeOf(house) {
  return { lines: house.files.reduce((sum, { lines }) => sum + lines, 0), count: house.files.length }
}

/** `package: name` for each name that an index exports and that no other package, tool or test imports. */
function unusedExports() {
  const across = sources('test').map(file => ({ name: 'test', ...read(file) }))
  const used = new Set()
  const users = houses.flatMap(({ name, files, tests }) =>
    [...files, ...tests].map(file => ({ name, ...file })),
  )
  for (const { name, imports } of [...users, ...across])
    for (const { from, names } of imports)
      if (from !== name) for (const each of names) used.add(`${from}: ${each}`)
  return houses
    .filter(({ dir }) => dir.startsWith('packages/'))
    .flatMap(({ name, dir, files }) => {
      const index = files.find(({ file }) => file === `${dir}/src/index.ts`)
      return (index?.exports ?? []).map(each => `${name}: ${each}`)
    })
    .filter(each => !used.has(each) && !used.has(`${each.split(': ')[0]}: *`))
}

/**
 * `FILE: NAME has N fields` for each type of more than ten fields that another package imports, or makes in order to
 * call a function that it imports. Inherited fields count. Types of records, formats and languages are left out,
 * because a schema or a specification defines their fields, and so are the actions that kf-run sends to its executor:
 * an action is a message, and the key of a step is made of all of it.
 */
function wideTypes() {
  const used = new Set()
  for (const { name, files } of houses)
    for (const { imports } of files)
      for (const { from, names } of imports)
        if (from !== name) for (const each of names) used.add(`${from} ${each}`)
  return houses.filter(isOurs).flatMap(house => {
    const taken = house.files.flatMap(({ parameters }) =>
      [...parameters].flatMap(([name, types]) => (used.has(`${house.name} ${name}`) ? types : [])),
    )
    const crosses = name => used.has(`${house.name} ${name}`) || taken.includes(name)
    return house.files.filter(isNoProtocol).flatMap(one =>
      [...one.types]
        .filter(([name]) => crosses(name))
        .map(([name, node]) => [name, fieldsOf(node, lookUp(house, one)).size])
        .filter(([, size]) => size > BOUNDS.fields)
        .map(([name, size]) => `${one.file}: ${name} has ${size} fields`),
    )
  })
}

function isNoProtocol({ file }) {
  return file !== 'packages/execution/steps/src/executor-protocol.ts'
}

function isOurs({ dir }) {
  return !/^packages\/(formats|languages)\/|^packages\/base\/records$/.test(dir)
}

/** Finds the declaration of a type: in its file, else in its package, else anywhere. */
function lookUp(house, one) {
  return name => [one, ...house.files, ...files].find(({ types }) => types.has(name))?.types.get(name)
}

/** Pairs of packages, and pairs of folders in one package, that import each other. */
function mutualPairs() {
  const arrows = new Set()
  for (const { name, files } of houses)
    for (const { file, imports } of files)
      for (const { from } of imports) {
        if (from.startsWith('@pipelayer/')) arrows.add(`${name} ${from}`)
        else if (from.startsWith('.'))
          addFolders(arrows, path.dirname(file), path.join(path.dirname(file), from))
      }
  return [...arrows]
    .map(arrow => arrow.split(' '))
    .filter(([a, b]) => a < b && arrows.has(`${b} ${a}`))
    .map(([a, b]) => `${a} and ${b}`)
}

function addFolders(arrows, from, target) {
  const to = path.dirname(target)
  if (from !== to) arrows.add(`${from} ${to}`)
}

/** Cycles of files that import each other, one a line. */
function cycles() {
  const graph = new Map(
    files.map(({ file, imports }) => [
      file,
      imports
        .filter(({ from }) => from.startsWith('.'))
        .map(({ from }) => path.join(path.dirname(file), from).replace(/\.js$/, '.ts')),
    ]),
  )
  const done = new Set()
  const found = []
  const visit = (file, trail) => {
    if (trail.includes(file)) found.push(trail.slice(trail.indexOf(file)).join(' -> '))
    if (trail.includes(file) || done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}

function print() {
  for (const house of houses) {
    const { lines, count } = sizeOf(house)
    console.log(
      `${house.dir.padEnd(40)} ${String(count).padStart(4)} files ${String(lines).padStart(7)} lines`,
    )
  }
  console.log()
  row(
    'lines of a function',
    functions.map(one => one.lines),
  )
  row(
    'lines of a file',
    files.map(one => one.lines),
  )
  row(
    'nesting of a function',
    functions.map(one => one.nesting),
  )
  row(
    'positional parameters',
    functions.map(one => one.parameters),
  )
  console.log()
  console.log(`${files.length} files, ${functions.length} functions, ${houses.length} packages and tools`)
  console.log(
    `${functions.filter(one => one.booleans > 0).length} functions with a boolean positional parameter`,
  )
  console.log(
    `${functions.filter(one => one.parameters > BOUNDS.parameters && !isSystemCall(one.file, one.name)).length} functions with more than ${BOUNDS.parameters} positional parameters`,
  )
  const exported = houses.flatMap(
    ({ dir, files }) => files.find(({ file }) => file === `${dir}/src/index.ts`)?.exports ?? [],
  )
  console.log(`${unusedExports().length} unused exports of ${exported.length}`)
  console.log(`${mutualPairs().length} pairs of packages or folders that point both ways`)
  console.log(`${cycles().length} import cycles`)
  const wide = wideTypes()
  console.log(`${wide.length} interfaces of more than ${BOUNDS.fields} fields that cross packages`)
  for (const each of wide) console.log(`    ${each}`)
}

function row(what, values) {
  const sorted = values.toSorted((a, b) => a - b)
  const at = share => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  console.log(`${what.padEnd(24)} p50 ${at(0.5)}, p90 ${at(0.9)}, max ${sorted.at(-1)}`)
}

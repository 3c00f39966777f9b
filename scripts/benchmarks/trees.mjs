// Makes the trees that are packed and unpacked. They are kept in the cache of the tests, and copied to memory for a
// run.
import fs from 'node:fs'
import path from 'node:path'
import { options, shell, work } from './harness.mjs'

const cache = process.env.PIPELAYER_TEST_CACHE ?? '/var/cache/pipelayer-test'
/** The npm packages that give a folder of more than 80,000 files. */
const MODULES =
  'date-fns @mui/icons-material lodash rxjs core-js typescript eslint webpack react next @babel/preset-env jest'

/** A Debian with python, gcc and git: large files, hard links, some capabilities. */
export function debianTree() {
  if (options.isSmall) return smallTree('debian')
  const kept = path.join(cache, 'bookworm-python-gcc-git')
  madeOnce(
    kept,
    making =>
      `debootstrap --variant=minbase --include=python3,gcc,git bookworm "${making}" >&2 && rm -rf "${making}/var/cache/apt/archives"`,
  )
  return inMemory('debian', kept)
}

/** A Debian with only its essential packages; in a small run, a busybox. */
export function plainDebian() {
  if (options.isSmall) return busyboxTree()
  const kept = path.join(cache, 'bookworm')
  madeOnce(
    kept,
    making =>
      `debootstrap --variant=minbase bookworm "${making}" >&2 && rm -rf "${making}/var/cache/apt/archives"`,
  )
  return inMemory('bookworm', kept)
}

function busyboxTree() {
  const dir = path.join(work, 'busybox')
  shell(`mkdir -p "${dir}"/{bin,etc,tmp}; cp -L "$(command -v busybox)" "${dir}/bin/busybox"
    for name in sh cat cp echo find mkdir rm wc; do ln -s busybox "${dir}/bin/$name"; done
    echo root:x:0:0::/:/bin/sh > "${dir}/etc/passwd"`)
  return dir
}

/** A folder of many small files. */
export function nodeModulesTree() {
  if (options.isSmall) return smallTree('node_modules')
  const kept = path.join(cache, 'node-modules')
  madeOnce(
    kept,
    making =>
      `mkdir "${making}.npm" && cd "${making}.npm" && echo '{"private":true}' > package.json &&
       npm install --silent --ignore-scripts --no-audit --no-fund ${MODULES} >&2 &&
       mv node_modules "${making}" && rm -r "${making}.npm"`,
  )
  return inMemory('node_modules', kept)
}

/**
 * A folder with one file of 2 GiB: blocks of 1 MiB with text, with numbers that hardly compress, and with zeros take
 * turns.
 */
export function mixedFile() {
  const dir = path.join(work, 'mixed')
  fs.mkdirSync(dir)
  const fd = fs.openSync(path.join(dir, 'file'), 'w')
  const mebibytes = options.isSmall ? 8 : 2048
  for (let turn = 0; turn < mebibytes; turn++) fs.writeSync(fd, MIXED[turn % MIXED.length](turn))
  fs.closeSync(fd)
  return dir
}

/** `count` files of `bytes` bytes each, in folders of 1,000. */
export function manyFiles(count, bytes) {
  const dir = path.join(work, `many-${count}-${bytes}`)
  for (let at = 0; at < count; at += 1000) {
    const folder = path.join(dir, `d${at / 1000}`)
    fs.mkdirSync(folder, { recursive: true })
    for (let file = at; file < Math.min(at + 1000, count); file++)
      fs.writeFileSync(path.join(folder, `f${file}`), bytes === 0 ? '' : textOf(bytes, file))
  }
  return dir
}

const MEBIBYTE = 1 << 20
const MIXED = [turn => textOf(MEBIBYTE, turn), turn => noiseOf(MEBIBYTE, turn), () => Buffer.alloc(MEBIBYTE)]
const WORDS =
  'return function const import from export default this value type layer digest size of the if'.split(' ')

/** Words chosen by a generator of numbers, so that they are the same everywhere. */
function textOf(bytes, seed) {
  let state = (seed + 1) >>> 0
  let text = ''
  while (text.length < bytes) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    text += `${WORDS[state >>> 28]}${state % 7 === 0 ? `${state % 9973};\n` : ' '}`
  }
  return Buffer.from(text.slice(0, bytes))
}

function noiseOf(bytes, seed) {
  const numbers = new Uint32Array(bytes / 4)
  let state = (seed + 1) >>> 0
  for (let at = 0; at < numbers.length; at++) {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    numbers[at] = state
  }
  return Buffer.from(numbers.buffer)
}

/** Some hundred files with the variety of a real tree: links, empty folders, a long name. */
function smallTree(name) {
  const dir = path.join(work, name)
  for (let at = 0; at < 200; at++) {
    const folder = path.join(dir, `folder-${at % 10}`, 'x'.repeat(at % 120 || 1))
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(path.join(folder, `file-${at}`), textOf(at * 40, at))
  }
  fs.symlinkSync('folder-0', path.join(dir, 'link'))
  fs.linkSync(path.join(dir, 'folder-0', 'x', 'file-0'), path.join(dir, 'hard'))
  return dir
}

function madeOnce(kept, command) {
  if (fs.existsSync(kept)) return
  console.error(`bench: makes ${kept}, once`)
  fs.mkdirSync(path.dirname(kept), { recursive: true })
  const making = `${kept}.making`
  shell(`rm -rf "${making}" "${making}.npm"; ${command(making)} && mv "${making}" "${kept}"`)
}

function inMemory(name, kept) {
  const dir = path.join(work, name)
  shell(`cp -a --reflink=auto "${kept}" "${dir}"`)
  return dir
}

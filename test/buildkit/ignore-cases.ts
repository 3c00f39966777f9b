/**
 * Ignore files made at random, from seeds, and the one tree that all of them are tried on.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'

/** Directories end in a slash. No file is empty; the order is that of the bits in the golden data. */
export const TREE: readonly string[] = [
  '.env',
  '.git/',
  '.git/HEAD',
  '.hidden',
  'Makefile',
  'a/',
  'a/.env',
  'a/a',
  'a/b/',
  'a/b/.env',
  'a/b/a/',
  'a/b/a/b',
  'a/b/a/x.md',
  'a/b/c.txt',
  'a/b/empty/',
  'a/docs/',
  'a/docs/b/',
  'a/docs/b/x.md',
  'a/docs/x.md',
  'a/x.md',
  'ab',
  'b/',
  'b/a/',
  'b/a/b/',
  'b/a/b/.env',
  'b/a/b/a',
  'b/a/x.md',
  'b/b',
  'config/',
  'config/.env',
  'config/a.txt',
  'config/b/',
  'config/b/.env',
  'config/b/a.txt',
  'd-1',
  'docs/',
  'docs/.env',
  'docs/a/',
  'docs/a/b.md',
  'docs/a/x.md',
  'docs/b.md',
  'docs/docs/',
  'docs/docs/a/',
  'docs/docs/a/x.md',
  'docs/docs/x.md',
  'docs/x.md',
  'docs.md',
  'empty/',
  'x.md',
  'x.txt',
]

/** Makes the tree below a folder. */
export function makeIgnoreTree(dir: string): void {
  for (const name of TREE) {
    const file = path.join(dir, name)
    fs.mkdirSync(name.endsWith('/') ? file : path.dirname(file), { recursive: true })
    if (!name.endsWith('/')) fs.writeFileSync(file, `${name}\n`)
  }
}

/** The text of the ignore file for a seed; it is the same on every machine. */
export function ignoreText(seed: number): string {
  const random = randomOf(seed)
  const lines = Array.from({ length: 1 + random(6) }, () => line(random))
  return `${lines.join('\n')}\n`
}

/** Returns a number from 0 to `limit - 1`. */
type Random = (limit: number) => number

// The "mulberry32" generator: 32 bits of state, the same numbers everywhere.
function randomOf(seed: number): Random {
  let state = seed
  return limit => {
    state = (state + 0x6d2b79f5) | 0
    let value = Math.imul(state ^ (state >>> 15), state | 1)
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61)
    return ((value ^ (value >>> 14)) >>> 0) % limit
  }
}

function oneOf(random: Random, ...choices: readonly string[]): string {
  return choices[random(choices.length)] ?? ''
}

function line(random: Random): string {
  const kind = random(40)
  if (kind === 0) return oneOf(random, '', '# a', ' #a', '  ', '.', '/', '!.', './', '..', '!/')
  if (kind === 1) return odd(random)
  const sign = random(5) < 2 ? oneOf(random, '!', '!', '!', ' !', '! ') : ''
  return sign + lead(random) + body(random) + tail(random)
}

/** Rarer parts of the pattern language: classes, escapes, and patterns that are refused. */
function odd(random: Random): string {
  const sign = random(3) === 0 ? '!' : ''
  return sign + oneOf(random, ...ODD)
}

const ODD: readonly string[] = [
  '[a-c]',
  '[^a]',
  '[^a]/b',
  '**/[ab]',
  '[Local-Only]/',
  '[b-a]*',
  'a\\b',
  'docs\\a',
  '\\a',
  'a\\/b',
  '\\.env',
  '*\\.md',
  '\\*',
  'd\\-1',
  'd-\\d',
  'a\\config',
  'bin\\Debug',
  '[[:alpha:]]',
  '[[:alpha:]]b',
  '[*]',
  '[?]b',
  'a^*',
  '^a',
  '*|a',
  'a|b',
  '(a)*',
  'a{1}*',
  '\\w',
  '**/\\w',
  '[\\w]*',
  '\\Qa',
  '\\x61*',
  'x.m\\x64',
  '[',
  '!',
]

function lead(random: Random): string {
  return oneOf(random, '', '', '', '', '', '', '**/', '**/', '**/', '/', './', '*/', 'x/../', '../', '/**/')
}

function tail(random: Random): string {
  return oneOf(random, '', '', '', '', '', '', '', '/', '/**', '/*', '/**/', '**', '*', ' ', '/.')
}

function body(random: Random): string {
  const count = oneOf(random, '1', '1', '1', '2', '2', '3')
  return Array.from({ length: Number(count) }, () => part(random)).join('/')
}

function part(random: Random): string {
  if (random(4) > 0)
    return oneOf(random, 'a', 'a', 'b', 'b', 'docs', 'docs', 'config', '.env', 'x.md', 'empty', 'docs.md')
  const wild = ['*', '*', '**', '*.md', '?', 'a*', '.*', '*.*', '[ab]', '**.md', '**b', 'x.*', '***', 'd*s']
  return oneOf(random, ...wild)
}

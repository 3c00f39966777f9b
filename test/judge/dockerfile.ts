/**
 * Judges the Dockerfile package: syntax, instructions, expansion, `.dockerignore`, ports, git references.
 *
 * @module
 */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  detectDirective,
  detectSyntax,
  expand,
  findHeredocs,
  parseDockerfile,
  parseHeredocWord,
  parseJSONForm,
  readDirectives,
  type SyntaxNode,
  splitWords,
} from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'

export type Verdict = 'pass' | `policy:${string}` | { fail: string }

// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
type Row = { id: string; in: any; want: any; dir?: string; policy?: unknown }
type Context = { dir: string }
type Adapter = (row: Row, context: Context) => Verdict

/** `pass` when both are the same JSON. */
export function same(got: unknown, want: unknown): Verdict {
  const [g, w] = [canonical(got), canonical(want)]
  return g === w ? 'pass' : { fail: `got ${g.slice(0, 600)} want ${w.slice(0, 600)}` }
}

function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, item: unknown) =>
      item !== null && typeof item === 'object' && !Array.isArray(item)
        ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
        : item,
    ) ?? 'undefined'
  )
}

/** Runs `work`; a ToolError is the answer `refused`, anything else thrown is a crash. */
export function attemptRow<T>(work: () => T): { value: T } | { refused: string } {
  try {
    return { value: work() }
  } catch (error) {
    if (error instanceof ToolError) return { refused: error.message }
    throw error
  }
}

/** The fields that are compared, empty ones left out. */
export function comparable(node: SyntaxNode): Record<string, unknown> {
  return {
    cmd: node.cmd.toUpperCase(),
    args: node.args,
    start: node.start,
    end: node.end,
    original: node.original,
    ...(node.json ? { json: true } : {}),
    ...(node.flags.length > 0 ? { flags: node.flags } : {}),
    ...(node.heredocs.length > 0 ? { heredocs: node.heredocs } : {}),
    ...(node.sub === undefined ? {} : { sub: comparable(node.sub) }),
  }
}

// biome-ignore lint/suspicious/noExplicitAny: see Row
function wantedNode(want: any): Record<string, unknown> {
  const { comments: _, sub, cmd, ...rest } = want
  return { ...rest, cmd: cmd.toUpperCase(), ...(sub === undefined ? {} : { sub: wantedNode(sub) }) }
}

const parse: Adapter = (row, { dir }) => {
  const folder = join(dir, row.dir ?? '')
  const source = row.in.file === undefined ? row.in.text : readFileSync(join(folder, row.in.file))
  const got = attemptRow(() => parseDockerfile(source))
  if (row.want.error !== undefined) return 'refused' in got ? 'pass' : { fail: 'accepted' }
  if ('refused' in got) return { fail: got.refused }
  const want =
    row.want.ast_file === undefined
      ? row.want
      : JSON.parse(readFileSync(join(folder, row.want.ast_file), 'utf8'))
  return same(
    { escape: got.value.escape, instructions: got.value.instructions.map(comparable) },
    { escape: want.escape ?? '\\', instructions: want.instructions.map(wantedNode) },
  )
}

const directive: Adapter = row => {
  const text: string = row.in.dockerfile
  if (row.want === null && row.in.fn !== 'detect-syntax') return 'pass'
  if (row.in.fn === 'parse-all') {
    return same(
      readDirectives(text).map(({ name, value }) => ({ name, value })),
      row.want,
    )
  }
  const found =
    row.in.fn === 'detect-syntax' ? detectSyntax(text) : detectDirective(text, row.in.key ?? 'check')
  if (row.want === null || found === undefined) return same(found ?? null, row.want)
  const got = { ref: found.reference, cmdline: found.value, line: found.line }
  return same({ ...got, ...row.want }, got)
}

const heredocToken: Adapter = row => {
  const got = attemptRow(() => parseHeredocWord(row.in.input)?.name ?? null)
  if (row.want.error === true) return 'refused' in got ? 'pass' : { fail: `got ${got.value}` }
  return 'refused' in got ? { fail: got.refused } : same(got.value, row.want.name)
}

const words: Adapter = row => {
  const env = Object.fromEntries((row.in.env ?? []).map(keyValue))
  const got = attemptRow(() => expand(row.in.words ?? row.in.word, { env }))
  if (row.want.error !== undefined) return 'refused' in got ? 'pass' : { fail: `got ${got.value.word}` }
  if ('refused' in got) return { fail: got.refused }
  const { word, words, matched, unmatched } = got.value
  const all = { word, words, matched: [...matched].sort(), unmatched: [...unmatched].sort() }
  return same(Object.fromEntries(Object.entries(all).filter(([key]) => key in row.want)), row.want)
}

function keyValue(text: string): [string, string] {
  const sign = text.indexOf('=')
  return sign < 0 ? [text, ''] : [text.slice(0, sign), text.slice(sign + 1)]
}

const jsonArray: Adapter = row => {
  const got = parseJSONForm(row.in.input)
  return same(typeof got === 'string' ? null : got, row.want.args)
}

const noCrash: Adapter = row => {
  attemptRow(() => parseDockerfile(row.in.dockerfile))
  return 'pass'
}

export const adapters: Record<string, Adapter> = {
  'buildkit/parser-testfiles': parse,
  'buildkit/heredoc-dockerfiles': parse,
  'imagebuilder/parser-testfiles': parse,
  'dockerfiles/build-tests': parse,
  'dockerfiles/docker-library': parse,
  'dockerfiles/jessfraz': parse,
  'buildkit/directives': directive,
  'buildkit/heredoc-token': heredocToken,
  'buildkit/heredocs-in-line': row =>
    same(
      findHeredocs(row.in.line).map(one => one.name),
      row.want.names,
    ),
  'buildkit/json-string-array': jsonArray,
  'buildkit/parse-words': row =>
    same(
      splitWords(row.in.input, '\\').map(word => word.text),
      row.want.words,
    ),
  'buildkit/shell-envvar': words,
  'buildkit/shell-mandatory': words,
  'buildkit/shell-matches': words,
  'buildkit/shell-words': words,
  'imagebuilder/shell-word': (row, context) =>
    row.policy === undefined ? words(row, context) : 'policy:BuildKit decides',
  'buildkit/no-crash': noCrash,
}

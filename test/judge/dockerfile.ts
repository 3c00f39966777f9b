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
  type Instruction,
  type InstructionFields,
  instructionFields,
  interpret,
  interpretAll,
  isIgnored,
  parseDevice,
  parseDockerfile,
  parseGitRef,
  parseGitURL,
  parseHeredocWord,
  parseIgnore,
  parseJSONForm,
  parsePorts,
  readDirectives,
  readFlagValues,
  type SyntaxNode,
  splitPort,
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

/** Runs `work`. A ToolError gives the answer `refused`; any other error is a crash. */
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

function fieldsOf(text: string): InstructionFields[] {
  const parsed = parseDockerfile(text)
  const options = { file: 'Dockerfile', escape: parsed.escape }
  return parsed.instructions.map(node => instructionFields(node, options))
}

/** All results of the parser and of `interpret` for a file. */
function interpretFile(text: string): readonly Instruction[] {
  return interpretAll(fieldsOf(text))
}

function interpretOne(text: string): Instruction {
  const [fields] = fieldsOf(text)
  if (fields === undefined) throw new ToolError('DOCKERFILE_INVALID', 'no instruction')
  return interpret(fields)
}

const noCrash: Adapter = row => {
  attemptRow(() => interpretFile(row.in.dockerfile))
  return 'pass'
}

const instruction: Adapter = row => {
  const got = attemptRow(() => interpretOne(row.in.dockerfile))
  if (row.want.error !== undefined) return 'refused' in got ? 'pass' : { fail: 'accepted' }
  if ('refused' in got) return { fail: got.refused }
  const { value } = got
  if (value.kind === 'run') {
    const files = value.files.map(({ name, content, chomp }) => ({
      Name: name,
      Data: content,
      ...(chomp ? { Chomp: true } : {}),
    }))
    return same(
      { command: value.command, files, shell: value.shell },
      { files: [], command: [], shell: false, ...dropNull(row.want) },
    )
  }
  if (value.kind !== 'copy' && value.kind !== 'add') return { fail: `it is ${value.kind}` }
  const contents = value.heredocs.map(({ path, content, expand }) => ({
    Path: path,
    Data: content,
    Expand: expand,
  }))
  const wanted = { SourcePaths: [], ...dropNull(row.want.sourcesAndDest) }
  return same(
    { DestPath: value.dest, SourcePaths: value.sources, SourceContents: contents },
    {
      ...wanted,
      // A missing key has Go's zero value.
      SourceContents: (wanted.SourceContents ?? []).map((one: object) => ({
        Data: '',
        Expand: false,
        ...one,
      })),
    },
  )
}

// biome-ignore lint/suspicious/noExplicitAny: see Row
function dropNull(value: any): any {
  return Object.fromEntries(Object.entries(value ?? {}).filter(([, item]) => item !== null))
}

const flags: Adapter = row => {
  const declared = Object.fromEntries(
    Object.entries(row.in.flags).map(([name, initial]) => [
      name,
      typeof initial === 'boolean' ? 'boolean' : 'text',
    ]),
  ) as Record<string, 'boolean' | 'text'>
  const got = attemptRow(() => {
    const values = readFlagValues({ name: 'RUN', form: 'words', args: [], flags: row.in.args }, declared)
    return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
  })
  if (row.want === 'error') return 'refused' in got ? 'pass' : { fail: 'accepted' }
  return 'refused' in got
    ? { fail: got.refused }
    : same({ ...row.in.flags, ...got.value }, { ...row.in.flags, ...row.want })
}

/** For errors that only a build finds, the line of the instruction is compared. */
const errorLine: Adapter = row => {
  const lines: number[] = row.want.errorLine
  const got = attemptRow(() => interpretFile(row.in.dockerfile))
  if ('refused' in got) return same(Number(/^[^:]*:(\d+):/.exec(got.refused)?.[1]), lines[0])
  const { instructions } = parseDockerfile(row.in.dockerfile)
  const found = instructions.find(node => node.start === lines[0] && node.end === lines.at(-1))
  return found === undefined ? { fail: 'no instruction has these lines' } : 'pass'
}

const ignoreMatch: Adapter = row => {
  const got = attemptRow(() => isIgnored(row.in.patterns, row.in.path))
  if (row.want.error === true) return 'refused' in got ? 'pass' : { fail: 'accepted' }
  return 'refused' in got ? { fail: got.refused } : same(got.value, row.want.match)
}

const duration: Adapter = row => {
  const got = attemptRow(() => interpretOne(`HEALTHCHECK --interval=${row.in.interval} CMD x`))
  return same('value' in got, row.want.ok === true)
}

const device: Adapter = row => {
  const got = parseDevice(row.in.input)
  const wrong = row.want.expectedErr !== null && row.want.expectedErr !== undefined
  if (wrong) return typeof got === 'string' ? 'pass' : { fail: 'accepted' }
  return typeof got === 'string'
    ? { fail: got }
    : same({ Name: got.name, Required: got.required }, row.want.expected)
}

const gitRef: Adapter = row => {
  const got = attemptRow(() => parseGitRef(row.in.ref))
  if (row.want.err !== undefined)
    return 'refused' in got || got.value === undefined ? 'pass' : { fail: 'accepted' }
  if ('refused' in got) return row.want.expected === null ? 'pass' : { fail: got.refused }
  if (got.value === undefined || row.want.expected === null) return same(got.value ?? null, row.want.expected)
  const { looksLocal, unencrypted, ...ref } = got.value
  const named = {
    Remote: ref.remote,
    ShortName: ref.shortName,
    Ref: ref.ref,
    Checksum: ref.checksum,
    SubDir: ref.subdir,
    KeepGitDir: ref.keepGitDir,
    Submodules: ref.submodules,
    MTime: ref.mtime,
    IndistinguishableFromLocal: looksLocal || undefined,
    UnencryptedTCP: unencrypted || undefined,
  }
  return same(withoutPointers(named), withoutPointers(row.want.expected))
}

/** Pointers to booleans are transcribed in several ways, so their values are compared. */
function withoutPointers(value: object): object {
  const plain = Object.entries(value).map(([key, item]) => [key, item?.value ?? item?.args?.[0] ?? item])
  return Object.fromEntries(plain.filter(([, item]) => item !== undefined && item !== '' && item !== null))
}

const gitURL: Adapter = row => {
  const got = attemptRow(() => parseGitURL(row.in.url))
  if (row.want.result === undefined || row.want.result === null) {
    return 'refused' in got || got.value === undefined ? 'pass' : { fail: 'accepted' }
  }
  if ('refused' in got || got.value === undefined) return { fail: 'no git URL' }
  const { scheme, host, path, user, password, ref, subdir } = got.value
  const opts = {
    ...(ref === undefined ? {} : { Ref: ref }),
    ...(subdir === undefined ? {} : { Subdir: subdir }),
  }
  const call = password === undefined ? 'url.User' : 'url.UserPassword'
  const { Query: _, ...wanted } = row.want.result
  return same(
    {
      Scheme: scheme,
      Host: host,
      Path: path,
      ...(user === undefined
        ? {}
        : { User: { call, args: [user, password].filter(one => one !== undefined) } }),
      ...(Object.keys(opts).length > 0 ? { Opts: opts } : {}),
    },
    wanted,
  )
}

/** moby's older form has other fields, and `master` if no ref is named. */
const gitRemote: Adapter = row => {
  const got = attemptRow(() => parseGitURL(row.in.url))
  const want = row.want.expected
  if (want === undefined || want === null)
    return 'refused' in got || got.value === undefined ? 'pass' : { fail: 'accepted' }
  if ('refused' in got || got.value === undefined) return { fail: 'no git URL' }
  const { remote, ref = 'master', subdir } = got.value
  return same({ remote, ref, ...(subdir === undefined ? {} : { subdir }) }, want)
}

const expose: Adapter = row => {
  const got = attemptRow(() => parsePorts(row.in.spec ?? row.in.expose))
  const want = row.want.expected ?? row.want.ports
  if (want === undefined || want === null) return 'refused' in got ? 'pass' : { fail: 'accepted' }
  if ('refused' in got) return { fail: got.refused }
  return same(got.value, typeof want === 'string' ? want.split(/[ ,]+/) : want)
}

const splitProtoPort: Adapter = row => {
  const { port, protocol } = splitPort(row.in.input ?? '')
  return same([port, protocol], [row.want.expPort ?? '', row.want.expProto ?? ''])
}

const ignoreRead: Adapter = row => {
  if (row.in.text !== undefined) return same(parseIgnore(row.in.text), row.want.patterns)
  // imagebuilder drops a lone "/", which matches nothing; moby keeps it.
  return same(
    parseIgnore(row.in.input.join('\n')).filter(one => one !== '/'),
    row.want.result,
  )
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
    row.policy === undefined ? words(row, context) : 'policy:buildkit-lexer',
  'buildkit/no-crash': noCrash,
  'buildkit/copy-heredoc': instruction,
  'buildkit/run-heredoc': instruction,
  'buildkit/instruction-errors': instruction,
  'buildkit/instruction-flags': flags,
  'buildkit/error-lines': errorLine,
  'buildkit/healthcheck-interval': duration,
  'buildkit/run-device': device,
  'buildkit/expose-ipv6': expose,
  'buildkit/git-ref': gitRef,
  'buildkit/git-url': gitURL,
  'imagebuilder/expose': expose,
  'imagebuilder/dockerignore-read': ignoreRead,
  'moby/expose': splitProtoPort,
  'moby/git-remote': gitRemote,
  'patternmatcher/glob': ignoreMatch,
  'patternmatcher/matches': ignoreMatch,
  'patternmatcher/ignorefile': ignoreRead,
}

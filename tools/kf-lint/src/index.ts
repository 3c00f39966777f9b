/**
 * kf-lint: finds what could be better in a Dockerfile or a Kubefile.
 *
 * @module
 */

import fs from 'node:fs'
import type { Readable } from 'node:stream'
import { readInput } from '@pipelayer/cli'
import { fileFields, parseDockerfile } from '@pipelayer/dockerfile'
import { attempt, ToolError } from '@pipelayer/errors'
import { fileLanguage, type Language, parseKubefile } from '@pipelayer/kubefile'
import { type CheckOptions, fixText, type LintInstruction, type LintOptions, lint } from '@pipelayer/lint'
import type { AnyRecord, InstructionRecord } from '@pipelayer/records'
import { contextFiles } from './context-files.js'
import { findingRecord, isRule } from './findings.js'
import { readIgnore } from './ignore.js'

/** The largest file in bytes. A real Dockerfile has kilobytes. */
const SIZE_LIMIT = 64 * 1024 * 1024

export interface KfLintOptions {
  /** The file to read, stdin for `-`; without it, `instruction` records are read. */
  readonly file?: string | undefined
  readonly stdin: Readable
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Names of rules, also several with commas between, or `all`. */
  readonly skip?: readonly string[]
  readonly experimental?: readonly string[]
  /** `NAME=VALUE`, or `NAME` for the value in `env`. */
  readonly buildArgs?: readonly string[]
  readonly platform?: string
  /** The folder of `.dockerignore`; by default that of `file`. For records, no ignore file is read by default. */
  readonly context?: string | undefined
  readonly dialect?: Language | undefined
  /** The name of the file in findings. */
  readonly fileName?: string | undefined
  /** Mend in the file what is safe to mend. */
  readonly fix?: boolean | undefined
}

/**
 * Yields a `finding` record for each place that breaks a rule, by line.
 *
 * From a stream it takes the `instruction` records, which may be those of several files one after the other; all other
 * records pass. An error that a build would refuse is thrown after the findings that stand above it.
 *
 * @throws ToolError `USAGE` for an unknown rule, and for `fix` of what is no file or no Dockerfile; `DOCKERFILE_INVALID`, `KUBEFILE_INVALID` as `FILE:LINE:COLUMN: ...`;
 * `CHECK_INVALID` for a wrong `# check=`; `FILE_TOO_LARGE` above 64 MiB; the system's error for a file
 */
export async function* kfLint(
  records: AsyncIterable<AnyRecord>,
  options: KfLintOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const shared = lintOptions(options)
  if (options.fix) await fixFile(options, shared)
  if (options.file !== undefined) {
    const list = await readInstructions(options.file, options)
    return yield* lintAll([list], options, shared)
  }
  const files: InstructionRecord[][] = []
  for await (const record of records) {
    if (isInstruction(record)) addTo(files, record)
    else yield record
  }
  yield* lintAll(files, options, shared)
}

function lintOptions(options: KfLintOptions): LintOptions {
  const { skip = [], experimental = [], buildArgs = [], env = {}, platform } = options
  const check: CheckOptions = { skip: ruleSet(skip), experimental: ruleSet(experimental), error: false }
  const args = buildArgs.flatMap((text): [string, string][] => {
    const sign = text.indexOf('=')
    const name = sign < 0 ? text : text.slice(0, sign)
    const value = sign < 0 ? env[name] : text.slice(sign + 1)
    return value === undefined ? [] : [[name, value]]
  })
  return { check, buildArgs: new Map(args), ...(platform === undefined ? {} : { platform }) }
}

function ruleSet(texts: readonly string[]): CheckOptions['skip'] {
  const names = texts.flatMap(text => text.split(',')).map(name => name.trim())
  if (names.includes('all')) return 'all'
  const unknown = names.find(name => !isRule(name))
  if (unknown !== undefined) {
    throw new ToolError('USAGE', `there is no rule ${JSON.stringify(unknown)}`, { status: 2 })
  }
  return new Set(names)
}

/** Replaces the file as a whole, where something in it can be mended. */
async function fixFile(options: KfLintOptions, shared: LintOptions): Promise<void> {
  const { file, stdin, dialect } = options
  const refuse = (why: string): never => {
    throw new ToolError('USAGE', `--fix mends a Dockerfile in its place: ${why}`, { status: 2 })
  }
  if (file === undefined || file === '-') return refuse('name the file')
  const source = await readInput(file, { stdin, limit: SIZE_LIMIT })
  if ((dialect ?? fileLanguage(file, source).language) !== 'dockerfile')
    return refuse(`${JSON.stringify(file)} is a Kubefile`)
  const list = fileFields(parseDockerfile(source, { file }), file)
  const ignore = await readIgnore(file, options)
  const { findings } = lint(list, { ...shared, ignore })
  const text = source.toString('latin1')
  const fixed = fixText(text, findings)
  if (fixed !== text) replace(file, Buffer.from(fixed, 'latin1'))
}

function replace(file: string, content: Buffer): void {
  attempt(`mend ${JSON.stringify(file)}`, () => {
    const target = fs.realpathSync(file)
    const temporary = `${target}.${process.pid}.tmp`
    try {
      fs.writeFileSync(temporary, content, { mode: fs.statSync(target).mode, flag: 'wx' })
      fs.renameSync(temporary, target)
    } catch (error) {
      fs.rmSync(temporary, { force: true })
      throw error
    }
  })
}

async function readInstructions(file: string, options: KfLintOptions): Promise<readonly LintInstruction[]> {
  const source = await readInput(file, { stdin: options.stdin, limit: SIZE_LIMIT })
  const name = options.fileName ?? file
  const dialect = options.dialect ?? fileLanguage(name, source).language
  return dialect === 'dockerfile'
    ? fileFields(parseDockerfile(source, { file: name }), name)
    : parseKubefile(source, { file: name, dialect })
}

function isInstruction(record: AnyRecord): record is InstructionRecord {
  return record.type === 'instruction'
}

/** If the numbers of the records do not increase, another file begins. */
function addTo(files: InstructionRecord[][], record: InstructionRecord): void {
  const current = files.at(-1)
  const before = current?.at(-1)
  if (current === undefined || before === undefined || record.index <= before.index) files.push([record])
  else current.push(record)
}

/** The first error is thrown when all files have been linted. */
async function* lintAll(
  files: readonly (readonly LintInstruction[])[],
  options: KfLintOptions,
  shared: LintOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const errors: ToolError[] = []
  for (const list of files) {
    const ignore = await readIgnore(options.file ?? list[0]?.source.file ?? '-', options)
    const files = contextFiles(options)
    const { findings, error } = lint(list, { ...shared, ignore, ...(files && { files }) })
    yield* findings.map(findingRecord)
    if (error !== undefined) errors.push(error)
  }
  if (errors[0] !== undefined) throw errors[0]
}

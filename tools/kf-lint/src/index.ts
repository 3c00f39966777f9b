/**
 * kf-lint: the instructions of a Dockerfile or a Kubefile to what could be better in it.
 *
 * @module
 */

import type { Readable } from 'node:stream'
import { readInput } from '@pipelayer/cli'
import { fileFields, parseDockerfile } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { dialectOfFile, parseKubefile } from '@pipelayer/kubefile'
import { type CheckOptions, type LintInstruction, type LintOptions, lint } from '@pipelayer/lint'
import type { AnyRecord, InstructionRecord } from '@pipelayer/records'
import { findingRecord, isRule } from './findings.js'
import { readIgnore } from './ignore.js'

/** As kf-parse: a Dockerfile of real life has kilobytes. */
const SIZE_LIMIT = 64 * 1024 * 1024

export const DIALECTS = ['dockerfile', 'kubefile', 'kubefile-classic'] as const

export interface KfLintOptions {
  /** What is read; `instruction` records unless said, stdin for `-`. */
  readonly file?: string | undefined
  readonly stdin: Readable
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Names of rules, also several with commas between, or `all`. */
  readonly skip?: readonly string[]
  readonly experimental?: readonly string[]
  /** `NAME=VALUE`, or `NAME` for the value in `env`. */
  readonly buildArgs?: readonly string[]
  readonly platform?: string
  /** Folder of `.dockerignore`; that of `file` unless said. Of records no ignore file is read unless said. */
  readonly context?: string | undefined
  readonly dialect?: (typeof DIALECTS)[number] | undefined
  /** What findings call the file. */
  readonly fileName?: string | undefined
}

/**
 * Yields a `finding` record for each place that breaks a rule, by line.
 *
 * Of a stream it takes the `instruction` records, of one file or of several behind one another; all others pass. What
 * a build would refuse is thrown after the findings that stand above it.
 *
 * @throws ToolError `USAGE` for an unknown rule; `DOCKERFILE_INVALID`, `KUBEFILE_INVALID` as `FILE:LINE:COLUMN: ...`;
 * `CHECK_INVALID` for a wrong `# check=`; `FILE_TOO_LARGE` above 64 MiB; what the system says of a file
 */
export async function* kfLint(
  records: AsyncIterable<AnyRecord>,
  options: KfLintOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const shared = lintOptions(options)
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

async function readInstructions(file: string, options: KfLintOptions): Promise<readonly LintInstruction[]> {
  const source = await readInput(file, { stdin: options.stdin, limit: SIZE_LIMIT })
  const name = options.fileName ?? file
  const dialect = options.dialect ?? dialectOfFile(name, source)
  return dialect === 'dockerfile'
    ? fileFields(parseDockerfile(source, { file: name }), name)
    : parseKubefile(source, { file: name, dialect })
}

function isInstruction(record: AnyRecord): record is InstructionRecord {
  return record.type === 'instruction'
}

/** Numbers that do not go up show that another file begins. */
function addTo(files: InstructionRecord[][], record: InstructionRecord): void {
  const current = files.at(-1)
  const before = current?.at(-1)
  if (current === undefined || before === undefined || record.index <= before.index) files.push([record])
  else current.push(record)
}

/** The first error waits until all files are through. */
async function* lintAll(
  files: readonly (readonly LintInstruction[])[],
  options: KfLintOptions,
  shared: LintOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const errors: ToolError[] = []
  for (const list of files) {
    const ignore = await readIgnore(options.file ?? list[0]?.source.file ?? '-', options)
    const { findings, error } = lint(list, { ...shared, ignore })
    yield* findings.map(findingRecord)
    if (error !== undefined) errors.push(error)
  }
  if (errors[0] !== undefined) throw errors[0]
}

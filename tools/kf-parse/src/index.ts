/**
 * kf-parse: turns a Dockerfile or a Kubefile into records of its instructions.
 *
 * @module
 */

import type { Readable } from 'node:stream'
import { printable, readInput, type TextForm } from '@pipelayer/cli'
import {
  fileFields,
  type Heredoc,
  type InstructionFields,
  interpretAll,
  parseDockerfile,
} from '@pipelayer/dockerfile'
import { type FileLanguage, fileLanguage, type Language, parseKubefile } from '@pipelayer/kubefile'
import type { AnyRecord, FindingRecord, InstructionRecord } from '@pipelayer/records'

/**
 * The largest file in bytes. A real Dockerfile has kilobytes, perhaps more with heredocs; a larger file is a disk image
 * or /dev/zero.
 */
const SIZE_LIMIT = 256 * 1024 * 1024

/**
 * How many bytes the heredocs of one instruction may have in its record; the rest goes to the store. JSON may need six
 * characters for one byte, and readers refuse a line of more than 16 Mi.
 */
const HEREDOC_LIMIT = 1024 * 1024

export interface KfParseOptions {
  /** The input that is read for the file `-`. */
  readonly stdin: Readable
  /** The dialect; by default it follows from the name of the file: see {@link kfParse}. */
  readonly dialect?: Language | undefined
  /** Yield one `finding` record in place of instructions: the dialect, and what in the file shows it. */
  readonly explainDialect?: boolean
  readonly warn?: (message: string, code?: string) => void
  /** The name of the file in records and messages; by default the file as given. */
  readonly fileName?: string | undefined
  /** The folder of the store for long heredocs. It is made when there is a long heredoc. */
  readonly store?: string | undefined
  /** The environment, which names the store if `store` does not. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** How many bytes of heredocs stay in the record of one instruction; 1 MiB unless said. */
  readonly heredocLimit?: number
}

/**
 * Reads `file` and yields an `instruction` record for each instruction, in order.
 *
 * A file named Kubefile or *.kubefile, any case, is a Kubefile, of the dialect that its words show, Sealfile and
 * *.sealfile are sealos'; any other is a Dockerfile, with a warning if its words are those of a Kubefile. The whole
 * file is checked before the first record goes out: a file that is wrong yields none. The body of a long heredoc is put
 * into the store, and its digest into the record. Memory: the file, which may have 256 MiB.
 *
 * @throws ToolError `DOCKERFILE_INVALID` or `KUBEFILE_INVALID` as `FILE:LINE:COLUMN: ...`, `FILE_TOO_LARGE` above 256
 * MiB, `STORE_UNKNOWN`, and the system's error if the file cannot be read or the store cannot be written
 */
export async function* kfParse(file: string, options: KfParseOptions): AsyncGenerator<AnyRecord, void, void> {
  const source = await readInput(file, { stdin: options.stdin, limit: SIZE_LIMIT })
  const name = options.fileName ?? file
  const found = languageOf(name, source, options)
  if (found.warning !== undefined) options.warn?.(found.warning)
  if (options.explainDialect) yield explanation(name, found)
  else yield* instructions(source, { name, dialect: found.language }, options)
}

/** The text of {@link KfParseOptions.explainDialect} for people: `FILE:LINE: DIALECT: REASON`. */
export const EXPLANATION: TextForm = {
  record: ({ file, line, message }) =>
    `${printable([file, ...(line === undefined ? [] : [line])].join(':'))}: ${printable(String(message))}\n`,
  end: () => '',
}

function languageOf(name: string, source: Buffer, { dialect }: KfParseOptions): FileLanguage {
  if (dialect === undefined) return fileLanguage(name, source)
  return { language: dialect, reason: 'the command line says so' }
}

function explanation(file: string, { language, reason, line }: FileLanguage): FindingRecord {
  const message = `${language}: ${reason}`
  return { type: 'finding', rule: 'dialect', severity: 'info', message, file, ...(line && { line }) }
}

async function* instructions(
  source: Buffer,
  { name, dialect }: { readonly name: string; readonly dialect: Language },
  options: KfParseOptions,
): AsyncGenerator<InstructionRecord, void, void> {
  if (dialect === 'dockerfile' || dialect === 'sealos') {
    // Both are the same language; what is built of it differs.
    const fields = dockerfile(source, name, options.heredocLimit ?? HEREDOC_LIMIT)
    yield* records(await storeHeredocs(fields, options), dialect)
  } else {
    const { warn } = options
    yield* records(parseKubefile(source, { file: name, dialect, ...(warn && { warn }) }), dialect)
  }
}

type Fields = InstructionFields & Pick<InstructionRecord, 'source' | 'raw'>

function dockerfile(source: Buffer, file: string, heredocLimit: number): readonly Fields[] {
  const list = fileFields(parseDockerfile(source, { file, heredocLimit }), file)
  interpretAll(list)
  return list
}

/** Puts long bodies of heredocs into the store. Most files have none, and then no store is opened. */
async function storeHeredocs(list: readonly Fields[], options: KfParseOptions): Promise<readonly Fields[]> {
  if (!list.some(({ heredocs }) => heredocs?.some(heredoc => heredoc.bytes !== undefined))) return list
  const { defaultStorePath, Store } = await import('@pipelayer/store')
  const store = Store.open(options.store ?? defaultStorePath(options.env ?? {}))
  const stored = ({ bytes, ...heredoc }: Heredoc): Heredoc => {
    if (bytes === undefined) return heredoc
    const { digest, size } = store.putBytes(bytes)
    return { ...heredoc, digest, size }
  }
  return list.map(fields =>
    fields.heredocs === undefined ? fields : { ...fields, heredocs: fields.heredocs.map(stored) },
  )
}

/** A stage begins with its FROM; instructions before the first FROM are in stage -1. */
function* records(list: readonly Fields[], dialect: Language): Generator<InstructionRecord, void, void> {
  let stage = -1
  for (const [index, fields] of list.entries()) {
    if (fields.name === 'FROM') stage++
    yield { type: 'instruction', dialect, stage, index, ...fields }
  }
}

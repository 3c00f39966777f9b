/**
 * kf-parse: a Dockerfile or a Kubefile to its instructions.
 *
 * @module
 */

import type { Readable } from 'node:stream'
import { readInput } from '@pipelayer/cli'
import {
  fileFields,
  type Heredoc,
  type InstructionFields,
  interpretAll,
  parseDockerfile,
} from '@pipelayer/dockerfile'
import { dialectOfFile, parseKubefile } from '@pipelayer/kubefile'
import type { InstructionRecord } from '@pipelayer/records'

/** A Dockerfile of real life has kilobytes, with heredocs perhaps more; above this it is a disk image or /dev/zero. */
const SIZE_LIMIT = 256 * 1024 * 1024

/**
 * Bytes that the heredocs of one instruction may have in its record; the rest goes to the store. JSON may need six
 * characters for one byte, and a line of 16 Mi is refused.
 */
const HEREDOC_LIMIT = 1024 * 1024

export const DIALECTS = ['dockerfile', 'kubefile', 'kubefile-classic'] as const
export type DialectName = (typeof DIALECTS)[number]

export interface KfParseOptions {
  /** What is read for the file `-`. */
  readonly stdin: Readable
  /** By the file's name unless said: see {@link kfParse}. */
  readonly dialect?: DialectName | undefined
  /** What records and messages call the file; the file as given unless said. */
  readonly fileName?: string | undefined
  /** Folder of the store for long heredocs; made when there is one. */
  readonly store?: string | undefined
  /** Says where the store is, unless `store` does. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Bytes of heredocs that stay in the record of one instruction: 1 MiB unless said. */
  readonly heredocLimit?: number
}

/**
 * Reads `file` and yields an `instruction` record for each instruction, in order.
 *
 * A file named Kubefile or *.kubefile, any case, is a Kubefile, of the dialect that its words show; any other is a
 * Dockerfile. The whole file is checked before the first record goes out: a file that is wrong yields none.
 * Of a long heredoc the body goes to the store, and its digest into the record. Memory: the file, which may have 256 MiB.
 *
 * @throws ToolError `DOCKERFILE_INVALID` or `KUBEFILE_INVALID` as `FILE:LINE:COLUMN: ...`, `FILE_TOO_LARGE` above 256 MiB,
 * `STORE_UNKNOWN`, and what the system says when the file cannot be read or the store not be written
 */
export async function* kfParse(
  file: string,
  options: KfParseOptions,
): AsyncGenerator<InstructionRecord, void, void> {
  const source = await readInput(file, { stdin: options.stdin, limit: SIZE_LIMIT })
  const name = options.fileName ?? file
  const dialect = options.dialect ?? dialectOfFile(name, source)
  if (dialect === 'dockerfile') {
    const fields = dockerfile(source, name, options.heredocLimit ?? HEREDOC_LIMIT)
    yield* records(await storeHeredocs(fields, options), dialect)
  } else yield* records(parseKubefile(source, { file: name, dialect }), dialect)
}

type Fields = InstructionFields & Pick<InstructionRecord, 'source' | 'raw'>

function dockerfile(source: Buffer, file: string, heredocLimit: number): readonly Fields[] {
  const list = fileFields(parseDockerfile(source, { file, heredocLimit }), file)
  interpretAll(list)
  return list
}

/** Puts the bodies that are bytes into the store. Most files have none: then no store is opened. */
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

/** A stage begins with its FROM; what stands before the first is in stage -1. */
function* records(list: readonly Fields[], dialect: DialectName): Generator<InstructionRecord, void, void> {
  let stage = -1
  for (const [index, fields] of list.entries()) {
    if (fields.name === 'FROM') stage++
    yield { type: 'instruction', dialect, stage, index, ...fields }
  }
}

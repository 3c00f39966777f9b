/**
 * kf-parse: a Dockerfile or a Kubefile to its instructions.
 *
 * @module
 */

import type { Readable } from 'node:stream'
import { readInput } from '@pipelayer/cli'
import { fileFields, type InstructionFields, interpretAll, parseDockerfile } from '@pipelayer/dockerfile'
import { dialectOfFile, parseKubefile } from '@pipelayer/kubefile'
import type { InstructionRecord } from '@pipelayer/records'

/** A Dockerfile of real life has kilobytes; more is a mistake, such as a disk image or /dev/zero. */
const SIZE_LIMIT = 64 * 1024 * 1024

export const DIALECTS = ['dockerfile', 'kubefile', 'kubefile-classic'] as const
export type DialectName = (typeof DIALECTS)[number]

export interface KfParseOptions {
  /** What is read for the file `-`. */
  readonly stdin: Readable
  /** By the file's name unless said: see {@link kfParse}. */
  readonly dialect?: DialectName | undefined
  /** What records and messages call the file; the file as given unless said. */
  readonly fileName?: string | undefined
}

/**
 * Reads `file` and yields an `instruction` record for each instruction, in order.
 *
 * A file named Kubefile or *.kubefile, any case, is a Kubefile, of the dialect that its words show; any other is a
 * Dockerfile. The whole file is checked before the first record goes out: a file that is wrong yields none.
 *
 * @throws ToolError `DOCKERFILE_INVALID` or `KUBEFILE_INVALID` as `FILE:LINE:COLUMN: ...`, `FILE_TOO_LARGE` above 64 MiB,
 * and what the system says when the file cannot be read
 */
export async function* kfParse(
  file: string,
  options: KfParseOptions,
): AsyncGenerator<InstructionRecord, void, void> {
  const source = await readInput(file, { stdin: options.stdin, limit: SIZE_LIMIT })
  const name = options.fileName ?? file
  const dialect = options.dialect ?? dialectOfFile(name, source)
  yield* records(
    dialect === 'dockerfile' ? dockerfile(source, name) : parseKubefile(source, { file: name, dialect }),
    dialect,
  )
}

type Fields = InstructionFields & Pick<InstructionRecord, 'source' | 'raw'>

function dockerfile(source: Buffer, file: string): readonly Fields[] {
  const list = fileFields(parseDockerfile(source, { file }), file)
  interpretAll(list)
  return list
}

/** A stage begins with its FROM; what stands before the first is in stage -1. */
function* records(list: readonly Fields[], dialect: DialectName): Generator<InstructionRecord, void, void> {
  let stage = -1
  for (const [index, fields] of list.entries()) {
    if (fields.name === 'FROM') stage++
    yield { type: 'instruction', dialect, stage, index, ...fields }
  }
}

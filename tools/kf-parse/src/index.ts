/**
 * kf-parse: a Dockerfile or a Kubefile to its instructions.
 *
 * @module
 */

import { createReadStream } from 'node:fs'
import path from 'node:path'
import type { Readable } from 'node:stream'
import {
  type InstructionFields,
  instructionFields,
  interpretAll,
  parseDockerfile,
} from '@pipelayer/dockerfile'
import { systemError, ToolError } from '@pipelayer/errors'
import { dialectOf, parseKubefile } from '@pipelayer/kubefile'
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
  const source = await readSource(file, options.stdin)
  const name = options.fileName ?? file
  const dialect = options.dialect ?? dialectByName(name, source)
  yield* records(
    dialect === 'dockerfile' ? dockerfile(source, name) : parseKubefile(source, { file: name, dialect }),
    dialect,
  )
}

type Fields = InstructionFields & Pick<InstructionRecord, 'source' | 'raw'>

async function readSource(file: string, stdin: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of (file === '-' ? stdin : createReadStream(file)) as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > SIZE_LIMIT)
        throw new ToolError('FILE_TOO_LARGE', `${file} has more than ${SIZE_LIMIT} bytes`)
      chunks.push(chunk)
    }
  } catch (error) {
    throw systemError(error, `read ${JSON.stringify(file)}`)
  }
  return Buffer.concat(chunks)
}

function dialectByName(name: string, source: Buffer): DialectName {
  const base = path.basename(name).toLowerCase()
  return base === 'kubefile' || base.endsWith('.kubefile') ? dialectOf(source, name) : 'dockerfile'
}

function dockerfile(source: Buffer, file: string): readonly Fields[] {
  const parsed = parseDockerfile(source, { file })
  const list = parsed.instructions.map(node => instructionFields(node, { file, escape: parsed.escape }))
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

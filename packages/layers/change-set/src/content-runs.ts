/**
 * Which parts of a file are stored, and which are holes.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import type { ContentFields } from '@pipelayer/records'

/** `[place in the file, bytes]`. */
export type Run = readonly [number, number]

/**
 * The stored runs of a file of `size` bytes.
 *
 * @throws ToolError `CHANGE_INVALID` where they overlap, go backwards or leave the file
 */
export function runsOf({ runs }: ContentFields, size: number): readonly Run[] {
  if (runs === undefined) return [[0, size]]
  let end = 0
  for (const [at, length] of runs) {
    if (at < end || !Number.isSafeInteger(at + length))
      throw new ToolError('CHANGE_INVALID', `the runs of a file are not in order at byte ${at}`)
    end = at + length
  }
  if (end > size)
    throw new ToolError('CHANGE_INVALID', `the runs of a file end at byte ${end}, the file at ${size}`)
  return runs
}

/** Collects the runs of a file from the data and holes that a tar parser gives. */
export class RunsBuilder {
  readonly #runs: [number, number][] = []
  #position = 0
  #hasHoles = false

  data(length: number): void {
    const last = this.#runs.at(-1)
    if (last !== undefined && last[0] + last[1] === this.#position) last[1] += length
    else this.#runs.push([this.#position, length])
    this.#position += length
  }

  hole(length: number): void {
    this.#hasHoles = true
    this.#position += length
  }

  /** Undefined for a file without holes. */
  result(): readonly Run[] | undefined {
    return this.#hasHoles ? this.#runs : undefined
  }
}

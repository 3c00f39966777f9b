/**
 * Separates the messages of an OCI runtime from the output of the command in the container.
 *
 * @module
 */

import fs from 'node:fs'
import type { Output } from './step-output.js'

/** Prefixes that only say that something went wrong, which is clear from the context. */
const PREFIXES =
  /^(?:runc (?:run|create) failed: |unable to start container process: |error during container init: )+/
/** runc writes its error to its log and, as its last line, to stderr. A line of the command may look the same. */
const LAST_LINE = 'runc run failed: '

/**
 * The error in the log of a runtime, if it could not start the container.
 *
 * @param file - one JSON object a line; the file may be missing
 */
export function runtimeProblem(file: string): string | undefined {
  if (!fs.existsSync(file)) return undefined
  const lines = fs.readFileSync(file, 'utf8').trim().split('\n')
  const message = lines.map(errorIn).findLast(text => text !== undefined)
  return message?.replace(PREFIXES, '')
}

function errorIn(line: string): string | undefined {
  try {
    const { level, msg } = JSON.parse(line) as { readonly level?: unknown; readonly msg?: unknown }
    return level === 'error' && typeof msg === 'string' ? msg : undefined
  } catch {
    // The last line is incomplete if the runtime died while it wrote.
    return undefined
  }
}

/** Passes lines on, but holds back a last line that may be the runtime's until the runtime has ended. */
export class HeldLine {
  readonly output: Output | undefined
  readonly #pass: ((lines: Buffer) => void) | undefined
  #held: Buffer | undefined

  constructor(output: Output | undefined) {
    const taken = output !== undefined && 'take' in output ? output.take : undefined
    this.#pass = taken
    this.output = taken === undefined ? output : { take: lines => this.#take(lines) }
  }

  /**
   * To be called when the runtime has ended: drops the held line if the runtime wrote it, and passes it on otherwise.
   */
  end({ isRuntimes }: { readonly isRuntimes: boolean }): void {
    if (this.#held !== undefined && !isRuntimes) this.#pass?.(this.#held)
    this.#held = undefined
  }

  #take(lines: Buffer): void {
    this.end({ isRuntimes: false })
    const last = lines.lastIndexOf(10) + 1
    if (!lines.subarray(last).toString('latin1').startsWith(LAST_LINE)) {
      this.#pass?.(lines)
      return
    }
    if (last > 0) this.#pass?.(lines.subarray(0, last - 1))
    this.#held = Buffer.from(lines.subarray(last))
  }
}

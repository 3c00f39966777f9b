/**
 * The instruction that is being interpreted, and the errors that point at it.
 *
 * @module
 */

import type { InstructionFields } from './instruction.js'
import { invalidAt, quote } from './source.js'

export class Subject {
  /** The keyword in upper case. */
  readonly name: string
  readonly fields: InstructionFields

  constructor(fields: InstructionFields) {
    this.fields = fields
    this.name = fields.name.toUpperCase()
  }

  get args(): readonly string[] {
    return this.fields.args
  }

  /**
   * Throws `DOCKERFILE_INVALID` at the instruction, or at `part` of it where it stands on one line.
   *
   * The record has no map of joined lines, so a part of a longer instruction is not searched for.
   */
  fail(message: string, part?: string): never {
    const source = this.fields.source ?? { file: 'Dockerfile', line: 1, endLine: 1 }
    const raw = this.fields.raw ?? ''
    const offset = part === undefined || source.line !== source.endLine ? 0 : Math.max(raw.indexOf(part), 0)
    const column = (source.column ?? 1) + [...raw.slice(0, offset)].length
    throw invalidAt('DOCKERFILE_INVALID', { file: source.file, line: source.line, column }, message)
  }

  needOne(): string {
    const [only, more] = this.args
    if (only === undefined || more !== undefined) return this.fail(`${this.name} takes exactly one argument`)
    return only
  }

  needSome(): readonly string[] {
    return this.args.length === 0 ? this.fail(`${this.name} needs at least one argument`) : this.args
  }

  /** {@link quote}, here for messages. */
  quote(text: string): string {
    return quote(text)
  }
}

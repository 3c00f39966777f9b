/**
 * The result of parsing either dialect: the fields of `instruction` records.
 *
 * @module
 */

import { invalidAt, type SyntaxFields } from '@pipelayer/dockerfile'

export type Dialect = 'kubefile' | 'kubefile-classic'

export type KubefileFields = SyntaxFields & { readonly dialect: Dialect }

/** Throws `KUBEFILE_INVALID` at an instruction; the user corrects the Kubefile at that place. */
export function refuse(fields: Pick<SyntaxFields, 'source'>, message: string): never {
  const { file, line, column = 1 } = fields.source
  throw invalidAt('KUBEFILE_INVALID', { file, line, column }, message)
}

/**
 * The result of parsing any dialect: the fields of `instruction` records.
 *
 * @module
 */

import { invalidAt, type SyntaxFields } from '@pipelayer/dockerfile'

/** `kubefile` is sealer 0.9 and later, `kubefile-classic` sealer 0.5 to 0.8, `sealos` a Dockerfile for a cluster. */
export type Dialect = 'kubefile' | 'kubefile-classic' | 'sealos'

export type KubefileFields = SyntaxFields & { readonly dialect: Dialect }

/** Throws `KUBEFILE_INVALID` at an instruction; the user corrects the Kubefile at that place. */
export function refuse(fields: Pick<SyntaxFields, 'source'>, message: string): never {
  const { file, line, column = 1 } = fields.source
  throw invalidAt('KUBEFILE_INVALID', { file, line, column }, message)
}

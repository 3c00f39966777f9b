/**
 * A Kubefile of any dialect.
 *
 * @module
 */

import { parseClassic } from './classic.js'
import { explainDialect } from './dialect.js'
import type { Dialect, KubefileFields } from './fields.js'
import { parseNewer } from './newer.js'
import { parseSealos } from './sealos.js'

export interface KubefileOptions {
  /** The name of the file in messages; `Kubefile` unless given. */
  readonly file?: string
  /** The dialect that {@link explainDialect} finds unless given. */
  readonly dialect?: Dialect
  /** Is called for what is read, but hardly meant so, as `FILE:LINE:COLUMN: ...`. */
  readonly warn?: (message: string) => void
}

/**
 * Parses a Kubefile and checks all that can be checked without reading other files.
 *
 * ```ts
 * const instructions = parseKubefile('FROM kubernetes:v1.22.15\nCMD kubectl apply -f app.yaml\n')
 * ```
 *
 * @throws ToolError `KUBEFILE_INVALID`, `DOCKERFILE_INVALID` as `FILE:LINE:COLUMN: ...`
 */
export function parseKubefile(
  source: string | Uint8Array,
  options: KubefileOptions = {},
): readonly KubefileFields[] {
  const file = options.file ?? 'Kubefile'
  const dialect = options.dialect ?? explainDialect(source, file).dialect
  if (dialect === 'sealos') return parseSealos(source, file)
  if (dialect === 'kubefile') return parseNewer(source, file)
  return parseClassic(source, { file, warn: options.warn })
}

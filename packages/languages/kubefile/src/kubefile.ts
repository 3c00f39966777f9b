/**
 * A Kubefile of either dialect.
 *
 * @module
 */

import { type Grammar, parseDockerfile, parseJSONForm } from '@pipelayer/dockerfile'
import { parseClassic } from './classic.js'
import type { Dialect, KubefileFields } from './fields.js'
import { NEWER_NAMES, parseNewer } from './newer.js'

const CLASSIC_NAMES = new Set(['FROM', 'COPY', 'RUN', 'CMD', 'ARG'])
const NEWER_ONLY = new Set(NEWER_NAMES.filter(name => !CLASSIC_NAMES.has(name)))

/** A grammar that finds lines and keywords and accepts any arguments. */
const PROBE: Grammar = {
  code: 'KUBEFILE_INVALID',
  forms: new Map(),
  heredocs: new Set(),
  directives: true,
  trailing: 'refuse',
}

/**
 * Which dialect a file is written in: the newer one when it has a keyword that only the newer dialect knows, a
 * `--flag`, or a command as a JSON array, none of which the older parsers could read; else the classic one.
 */
export function dialectOf(source: string | Uint8Array, file = 'Kubefile'): Dialect {
  const { instructions } = parseDockerfile(source, { file, grammar: PROBE })
  const newer = instructions.some(({ cmd, flags, original }) => {
    const isArray = parseJSONForm(original.slice(cmd.length), 'ignore') !== 'other'
    return NEWER_ONLY.has(cmd.toUpperCase()) || flags.length > 0 || isArray
  })
  return newer ? 'kubefile' : 'kubefile-classic'
}

/**
 * The language of a file by its name: `Kubefile` and `*.kubefile`, in any case, are Kubefiles of the dialect that
 * {@link dialectOf} finds; all else is a Dockerfile.
 */
export function dialectOfFile(name: string, source: string | Uint8Array): Dialect | 'dockerfile' {
  const base = name.slice(name.lastIndexOf('/') + 1).toLowerCase()
  return base === 'kubefile' || base.endsWith('.kubefile') ? dialectOf(source, name) : 'dockerfile'
}

export interface KubefileOptions {
  /** The name of the file in messages; `Kubefile` unless given. */
  readonly file?: string
  /** The dialect that {@link dialectOf} finds unless given. */
  readonly dialect?: Dialect
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
  const dialect = options.dialect ?? dialectOf(source, file)
  return dialect === 'kubefile' ? parseNewer(source, file) : parseClassic(source, file)
}

/**
 * The language of a file by its name, and for a Kubefile by its words.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { explainDialect, isClusterBase, isSurelyKubefile } from './dialect.js'
import type { Dialect } from './fields.js'
import { type Statement, statementsOf } from './statements.js'

export type Language = Dialect | 'dockerfile'

export interface FileLanguage {
  readonly language: Language
  /** What shows it, in words. */
  readonly reason: string
  /** The line that shows it, from 1. */
  readonly line?: number
  /** Set if a file is read as a Dockerfile for its name, while its words are those of a Kubefile. */
  readonly warning?: string
}

/** The values of `--dialect`. The last two are other names of dialects, after the program that reads them. */
export const LANGUAGE_OPTIONS = [
  'dockerfile',
  'kubefile',
  'kubefile-classic',
  'sealos',
  'sealer-0.9',
  'sealer',
] as const

const OTHER_NAMES = new Map<string, Language>([
  ['sealer-0.9', 'kubefile'],
  ['sealer', 'kubefile-classic'],
])

/** The language that a value of `--dialect` stands for; undefined for any other text. */
export function languageNamed(text: string | undefined): Language | undefined {
  const known = LANGUAGE_OPTIONS.find(name => name === text)
  return known === undefined ? undefined : (OTHER_NAMES.get(known) ?? (known as Language))
}

const DOCKERFILE_NAME = /^(?:(?:docker|container)file(?:[._-].*)?|.*[._-](?:docker|container)file|-|)$/
const CLUSTER_COMMAND = /^(?:\[\s*")?(?:kubectl|helm|sealer|sealctl|seautil)\s/

/**
 * The language of a file: `Kubefile` and `*.kubefile`, in any case, are Kubefiles of the dialect that
 * {@link explainDialect} finds; `Sealfile` and `*.sealfile` are sealos'; all else is a Dockerfile.
 *
 * @throws ToolError `KUBEFILE_INVALID` for a Kubefile with words of two dialects
 */
export function fileLanguage(name: string, source: string | Uint8Array): FileLanguage {
  const base = baseName(name)
  if (isNamed(base, 'kubefile')) {
    const { dialect, ...why } = explainDialect(source, name)
    return { language: dialect, ...why }
  }
  if (isNamed(base, 'sealfile')) return { language: 'sealos', reason: 'its name is that of a Sealfile' }
  const warning = warningOf(name, source)
  const reason = 'its name is neither Kubefile nor *.kubefile'
  return { language: 'dockerfile', reason, ...(warning === undefined ? {} : { warning }) }
}

function isNamed(base: string, name: string): boolean {
  return base === name || base.endsWith(`.${name}`)
}

function baseName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1).toLowerCase()
}

function warningOf(name: string, source: string | Uint8Array): string | undefined {
  try {
    const list = statementsOf(source, name)
    const isDockerfile = DOCKERFILE_NAME.test(baseName(name))
    const sign = list.find(isSurelyKubefile) ?? (isDockerfile ? undefined : clusterLine(list))
    if (sign === undefined) return undefined
    const { dialect } = explainDialect(source, name)
    const flags = `--dialect ${dialect} reads it as one, --dialect dockerfile says that it is none`
    return `${name} is read as a Dockerfile, for its name, but line ${sign.line} is one of a Kubefile: ${flags}`
  } catch (error) {
    // What is wrong with the file is told by the parser of Dockerfiles.
    if (error instanceof ToolError) return undefined
    throw error
  }
}

/** The first line that a Kubefile would have and a Dockerfile hardly ever has. */
function clusterLine(list: readonly Statement[]): Statement | undefined {
  const isScratch = list.some(({ name, words }) => name === 'FROM' && words[0] === 'scratch')
  return list.find(({ name, words, flags, isArray, text }) => {
    if (name === 'FROM') return isClusterBase(words[0] ?? '')
    if (name === 'CMD') return CLUSTER_COMMAND.test(text)
    // On an empty root, the destination of a Dockerfile begins with a slash.
    const isPlain = flags.length === 0 && !isArray && words.length > 1
    return name === 'COPY' && isScratch && isPlain && !words.at(-1)?.startsWith('/')
  })
}

/**
 * Finds the dialect of a Kubefile by what stands in it. The first row that applies decides:
 *
 * | in the file | dialect |
 * |---|---|
 * | a word of sealer 0.9 alone: APP, APPCMDS, APPENV, CMDS, CNI, CSI, KUBEVERSION, LAUNCH | `kubefile` |
 * | a word of Dockerfiles that sealer lacks: USER, WORKDIR, ENTRYPOINT and so on; a label `sealos.io.…` | `sealos` |
 * | words of both | an error that names both lines |
 * | another label that sealos reads (`init`, `clean`, `image` and so on), a MAINTAINER or a base of sealos | `sealos` |
 * | a base of sealer, or several CMD in one stage: sealer executes all of them | `kubefile` where the file has what
 * only newer Kubefiles have, see the next row, else `kubefile-classic` |
 * | a flag, a JSON array, a heredoc, a second FROM, ENV, LABEL, ADD, MAINTAINER | `sealos` |
 * | COPY of a source to its own name, which would be `x/x` for older sealer | `sealos` |
 * | nothing of these | `kubefile-classic` |
 *
 * @module
 */

import { DOCKERFILE } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import type { Dialect } from './fields.js'
import { NEWER_NAMES } from './newer.js'
import { type Statement, statementsOf } from './statements.js'

/** The dialect of a file, with what shows it. */
export interface DialectReason {
  readonly dialect: Dialect
  /** The line that shows it, from 1; undefined if no line does. */
  readonly line?: number
  readonly reason: string
}

const DOCKERFILE_NAMES = new Set([...DOCKERFILE.forms.keys(), 'onbuild'].map(name => name.toUpperCase()))
const NEWER_ALONE = new Set(NEWER_NAMES.filter(name => !DOCKERFILE_NAMES.has(name)))
const DOCKERFILE_ALONE = new Set([...DOCKERFILE_NAMES].filter(name => !NEWER_NAMES.includes(name)))
/** The words of Dockerfiles that sealer knows since 0.9. */
const NEWER_SHARED = new Set(['ADD', 'ENV', 'LABEL', 'MAINTAINER'])

const SEALOS_LABEL = /(?:^|\s)["']?((?:merge\.)?sealos\.io\.[\w.-]+|apps\.sealos\.io\/[\w.-]+)["']?(?:=|\s)/
const ROOTFS_LABEL = /(?:^|\s)["']?((?:init|clean)(?:-cri|-registry)?|check|auth|image|vip)["']?=/
const SEALER_LABEL = /(?:^|\s)["']?((?:app|cluster)\.alpha\.sealer\.io\/[\w.-]+)["']?=/
const SEALOS_PEOPLE = /^["']?(?:sealos|sealyun|labring)/i
const SEALOS_BASE = /(?:^|\/)labring(?:-actions|4docker)?\//
const SEALER_BASE = /(?:^|\/)sealer(?:io|-io|-apps)?\/|^kubernetes(?:[:@]|$)/

type Finder = (list: readonly Statement[]) => DialectReason | undefined

/** The rows of the table above behind those of words, in order. */
const FINDERS: readonly Finder[] = [
  matching('LABEL', SEALOS_LABEL, { dialect: 'sealos', reason: 'sealos reads the label $' }),
  matching('LABEL', SEALER_LABEL, { dialect: 'kubefile', reason: 'sealer 0.9 has the label $' }),
  matching('LABEL', ROOTFS_LABEL, { dialect: 'sealos', reason: 'sealos reads the label $' }),
  matching('MAINTAINER', SEALOS_PEOPLE, { dialect: 'sealos', reason: 'the maintainer is $' }),
  matching('FROM', SEALOS_BASE, { dialect: 'sealos', reason: 'the base is one of sealos' }),
  sealerBase,
  severalCommands,
  plainDockerfile,
  ownName,
]

const NOTHING: DialectReason = {
  dialect: 'kubefile-classic',
  reason: 'it has nothing but FROM, COPY, RUN, CMD and ARG as sealer 0.5 to 0.8 read them',
}

/**
 * The dialect of a Kubefile, and why.
 *
 * ```ts
 * explainDialect('FROM scratch\nUSER 0\n') // { dialect: 'sealos', line: 2, reason: 'USER is ...' }
 * ```
 *
 * @throws ToolError `KUBEFILE_INVALID` as `FILE:LINE:COLUMN: ...` for words of two dialects, and for lines that no
 * dialect has
 */
export function explainDialect(source: string | Uint8Array, file = 'Kubefile'): DialectReason {
  const list = statementsOf(source, file)
  const newer = list.find(({ name }) => NEWER_ALONE.has(name))
  const docker = list.find(isOfSealosAlone)
  if (newer !== undefined && docker !== undefined) throw mixed(newer, docker, file)
  if (newer !== undefined) return wordReason(newer, 'kubefile', 'a word of sealer 0.9 and later alone')
  if (docker !== undefined && DOCKERFILE_ALONE.has(docker.name))
    return wordReason(docker, 'sealos', 'a word of Dockerfiles that sealer lacks')
  for (const find of FINDERS) {
    const reason = find(list)
    if (reason !== undefined) return reason
  }
  return NOTHING
}

/** Whether a line shows without doubt that a file is a Kubefile, whatever its name is. */
export function isSurelyKubefile({ name, text }: Statement): boolean {
  return NEWER_ALONE.has(name) || (name === 'LABEL' && SEALOS_LABEL.test(text))
}

/** Whether a base is an image of sealer's or of sealos', or the cluster image `kubernetes`. */
export function isClusterBase(name: string): boolean {
  return SEALER_BASE.test(name) || SEALOS_BASE.test(name)
}

function isOfSealosAlone({ name, text }: Statement): boolean {
  return DOCKERFILE_ALONE.has(name) || (name === 'LABEL' && SEALOS_LABEL.test(text))
}

function mixed(newer: Statement, docker: Statement, file: string): ToolError {
  const [first, second] = newer.line < docker.line ? [newer, docker] : [docker, newer]
  const owner = (one: Statement): string => (one === newer ? 'sealer 0.9' : 'sealos')
  const shown = (one: Statement): string =>
    one.name === 'LABEL' ? `the label ${SEALOS_LABEL.exec(one.text)?.[1]}` : one.name
  const message = `${shown(second)} is of ${owner(second)}, and ${shown(first)} in line ${first.line} is of ${owner(first)}: a Kubefile has one dialect`
  return new ToolError('KUBEFILE_INVALID', `${file}:${second.line}:${second.column}: ${message}`)
}

function wordReason({ name, line }: Statement, dialect: Dialect, why: string): DialectReason {
  return { dialect, line, reason: `${name} is ${why}` }
}

/** Finds the first line of a keyword whose text matches. `$` in the reason stands for what matched. */
function matching(
  name: string,
  pattern: RegExp,
  { dialect, reason }: Pick<DialectReason, 'dialect' | 'reason'>,
): Finder {
  return list => {
    for (const one of list) {
      const match = one.name === name ? pattern.exec(one.text) : null
      if (match !== null)
        return { dialect, line: one.line, reason: reason.replace('$', () => match[1] ?? match[0]) }
    }
    return undefined
  }
}

function sealerBase(list: readonly Statement[]): DialectReason | undefined {
  const base = list.find(({ name, words }) => name === 'FROM' && SEALER_BASE.test(words[0] ?? ''))
  if (base === undefined) return undefined
  return ofSealer(list, { line: base.line, reason: `the base ${base.words[0]} is one of sealer` })
}

function severalCommands(list: readonly Statement[]): DialectReason | undefined {
  let count = 0
  for (const { name, line } of list) {
    if (name === 'FROM') count = 0
    if (name !== 'CMD' || ++count === 1) continue
    return ofSealer(list, { line, reason: 'a second CMD: sealer executes all of them, a Dockerfile has one' })
  }
  return undefined
}

/** Which of sealer's two dialects a file has. */
function ofSealer(
  list: readonly Statement[],
  { line, reason }: { readonly line: number; readonly reason: string },
): DialectReason {
  const newer = plainDockerfile(list)
  if (newer === undefined) return { dialect: 'kubefile-classic', line, reason }
  return { dialect: 'kubefile', line, reason: `${reason}; in line ${newer.line}: ${newer.reason}` }
}

/** What sealer before 0.9 could not read, and every Dockerfile may have. */
function plainDockerfile(list: readonly Statement[]): DialectReason | undefined {
  let bases = 0
  for (const one of list) {
    if (one.name === 'FROM') bases++
    const what = newerSyntax(one) ?? (one.name === 'FROM' && bases > 1 ? 'a second FROM' : undefined)
    if (what !== undefined)
      return { dialect: 'sealos', line: one.line, reason: `${what} is read as in a Dockerfile` }
  }
  return undefined
}

function newerSyntax({ name, flags, isArray, hasHeredoc, words }: Statement): string | undefined {
  if (NEWER_SHARED.has(name)) return name
  if (flags[0] !== undefined) return `the flag ${flags[0]}`
  if (isArray) return `the JSON array of ${name}`
  if (hasHeredoc) return 'a heredoc'
  return name === 'FROM' && words[1]?.toUpperCase() === 'AS' ? 'the name of a stage' : undefined
}

function ownName(list: readonly Statement[]): DialectReason | undefined {
  const one = list.find(({ name, words }) => name === 'COPY' && isOwnName(words))
  if (one === undefined) return undefined
  const reason = `COPY ${one.words.slice(0, 2).join(' ')} keeps the name, which needs the COPY of a Dockerfile`
  return { dialect: 'sealos', line: one.line, reason }
}

function isOwnName([source = '', destination = '', more]: readonly string[]): boolean {
  if (more !== undefined && !more.startsWith('#')) return false
  const plain = (name: string): string => name.replace(/^(?:\.\/+)+/, '').replace(/\/+$/, '')
  return plain(source) === plain(destination) && !/^\/|^\.?$/.test(plain(source))
}

/**
 * Rules on the sources of COPY and ADD.
 *
 * @module
 */

import {
  type AddInstruction,
  type CopyInstruction,
  cleanPath,
  hasWildcards,
  ignoreMatcher,
  parseGitRef,
} from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import type { LintContext } from './context.js'
import { checkSecretFiles } from './secrets.js'
import type { Step } from './stages.js'

const ARCHIVE = /\.(tar|tgz|tbz2?|txz|tzst)$|\.tar\.[a-z0-9]+$/i

export interface Transfer {
  readonly step: Step
  readonly instruction: AddInstruction | CopyInstruction
  /** With variables expanded. */
  readonly sources: readonly string[]
}

export function checkTransfer(transfer: Transfer, context: LintContext): void {
  const { step, instruction, sources } = transfer
  if (instruction.kind === 'copy' && instruction.from !== undefined) return
  const local = sources.filter(source => !isRemote(source))
  checkIgnored(transfer, local, context)
  checkSecretFiles(step.fields, local, context.collector)
  if (instruction.kind === 'add' && local.length === sources.length && !mayUnpack(instruction, local)) {
    context.collector.report(
      'CopyOverAdd',
      step.fields,
      'ADD of local files that are no archive: COPY does that',
    )
  }
}

/**
 * Reports sources that `.dockerignore` leaves out. With exceptions, files in such a folder may be included, so nothing
 * is reported.
 */
function checkIgnored({ step, instruction }: Transfer, local: readonly string[], context: LintContext): void {
  const matcher = ignoreMatcher(context.ignore)
  if (matcher.hasExceptions) return
  const verb = instruction.kind === 'add' ? 'Add' : 'Copy'
  for (const source of local) {
    const path = cleanPath(source)
    if (!matcher.ignores(path)) continue
    const message = `Attempting to ${verb} file ${JSON.stringify(path)} that is excluded by .dockerignore`
    context.collector.report('CopyIgnoredFile', step.fields, message)
  }
}

/** A wildcard at the end can stand for an archive. */
function mayUnpack({ unpack }: AddInstruction, local: readonly string[]): boolean {
  return unpack === true || local.some(path => ARCHIVE.test(path) || hasWildcards(path.slice(-1)))
}

function isRemote(source: string): boolean {
  if (/^https?:\/\//.test(source)) return true
  try {
    const git = parseGitRef(source)
    return git !== undefined && git.looksLocal !== true
  } catch (error) {
    if (error instanceof ToolError) return false
    throw error
  }
}

/**
 * Finds the meaning of instructions, and checks them as BuildKit does before it builds anything.
 *
 * It is stricter than BuildKit in some points: flags of ARG and STOPSIGNAL, a RUN without a command, and an ONBUILD
 * whose instruction is wrong are refused here, where BuildKit ignores them or fails only in a build upon the image.
 *
 * Spec: moby/buildkit frontend/dockerfile/instructions, https://docs.docker.com/reference/dockerfile/
 *
 * @module
 */

import { type DeclaredFlags, type FlagValues, flagValues } from './flag-values.js'
import { interpretHealthcheck } from './healthcheck.js'
import type {
  ArgInstruction,
  ExposeInstruction,
  FromInstruction,
  Instruction,
  InstructionFields,
  OnbuildInstruction,
  Pair,
  VolumeInstruction,
} from './instruction.js'
import { interpretCmd, interpretEntrypoint, interpretRun, interpretShell } from './run.js'
import { trim } from './spaces.js'
import { Subject } from './subject.js'
import { suggest } from './suggest.js'
import { interpretAdd, interpretCopy } from './transfer.js'

const STAGE_NAME = /^[a-z][a-z0-9-_.]*$/
const NOT_TRIGGERS = new Set(['ONBUILD', 'FROM', 'MAINTAINER'])
const ONBUILD_KEYWORD = /^[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*/i

const INTERPRETERS = new Map<string, (subject: Subject) => Instruction>([
  ['ADD', interpretAdd],
  ['ARG', interpretArg],
  ['CMD', interpretCmd],
  ['COPY', interpretCopy],
  ['ENTRYPOINT', interpretEntrypoint],
  ['ENV', subject => ({ kind: 'env', pairs: readPairs(subject) })],
  ['EXPOSE', interpretExpose],
  ['FROM', interpretFrom],
  ['HEALTHCHECK', interpretHealthcheck],
  ['LABEL', subject => ({ kind: 'label', pairs: readPairs(subject) })],
  ['MAINTAINER', subject => ({ kind: 'maintainer', author: readOne(subject) })],
  ['ONBUILD', interpretOnbuild],
  ['RUN', interpretRun],
  ['SHELL', interpretShell],
  ['STOPSIGNAL', subject => ({ kind: 'stopsignal', signal: readOne(subject) })],
  ['USER', subject => ({ kind: 'user', user: readOne(subject) })],
  ['VOLUME', interpretVolume],
  ['WORKDIR', subject => ({ kind: 'workdir', path: readOne(subject) })],
])

/** All keywords, in upper case. */
export const INSTRUCTION_NAMES: readonly string[] = [...INTERPRETERS.keys()]

/**
 * The meaning of one `instruction` record.
 *
 * @throws ToolError `DOCKERFILE_INVALID` as `FILE:LINE:COLUMN: ...`
 */
export function interpret(fields: InstructionFields): Instruction {
  const subject = new Subject(fields)
  // The parser refuses NULs, but records may come from elsewhere.
  const withNul = [...fields.args, ...fields.flags].find(text => text.includes('\0'))
  if (withNul !== undefined)
    subject.fail(`${subject.quote(withNul)} has a NUL byte, which no instruction can hold`)
  const interpreter = INTERPRETERS.get(subject.name)
  if (interpreter !== undefined) return interpreter(subject)
  const similar = suggest(subject.name, INSTRUCTION_NAMES)
  const hint = similar === undefined ? '' : ` (did you mean ${similar}?)`
  return subject.fail(`unknown instruction ${subject.quote(fields.name)}${hint}`)
}

/**
 * The meaning of each instruction of a file. It also checks that a FROM stands before all instructions but ARG.
 *
 * @throws ToolError `DOCKERFILE_INVALID`, see {@link interpret}
 */
export function interpretAll(list: readonly InstructionFields[]): readonly Instruction[] {
  let inStage = false
  const instructions = list.map(fields => {
    const instruction = interpret(fields)
    if (instruction.kind === 'from') inStage = true
    if (inStage || instruction.kind === 'arg') return instruction
    return new Subject(fields).fail(`${fields.name.toUpperCase()} stands before the first FROM`)
  })
  const last = list.at(-1)
  if (!inStage && last !== undefined) new Subject(last).fail('no FROM in the file')
  return instructions
}

function noFlags(subject: Subject): FlagValues<DeclaredFlags> {
  return flagValues(subject, {})
}

function readOne(subject: Subject): string {
  noFlags(subject)
  return subject.needOne()
}

/** Each pair is three words: name, value and separator. */
function readPairs(subject: Subject): readonly Pair[] {
  noFlags(subject)
  const args = subject.needSome()
  if (args.length % 3 !== 0)
    subject.fail(`${subject.name} has ${args.length} arguments, not three for each pair`)
  return Array.from({ length: args.length / 3 }, (_, index) => {
    const [name = '', value = ''] = args.slice(index * 3)
    return name === '' ? subject.fail(`a name of ${subject.name} is empty`) : { name, value }
  })
}

function interpretArg(subject: Subject): ArgInstruction {
  noFlags(subject)
  const args = subject.needSome().map(arg => {
    const sign = arg.indexOf('=')
    if (sign === 0) return subject.fail('a name of ARG is empty', arg)
    const declared = sign < 0 ? { name: arg } : { name: arg.slice(0, sign), value: arg.slice(sign + 1) }
    return { ...declared, ...describe(subject, declared.name) }
  })
  return { kind: 'arg', args }
}

/** The description of `name`: the rest of the first comment line right above that begins with the name and a blank. */
function describe(subject: Subject, name: string): { readonly description?: string } {
  const comment = subject.fields.comments?.find(text => text.startsWith(`${name} `))
  return comment === undefined ? {} : { description: comment.slice(name.length + 1) }
}

function interpretFrom(subject: Subject): FromInstruction {
  const { platform } = flagValues(subject, { platform: 'text' })
  const [base = '', as, name, more] = subject.args
  if (base === '' || more !== undefined || (as !== undefined && name === undefined)) {
    return subject.fail('FROM takes one argument, or three: image AS name')
  }
  const from: FromInstruction = { kind: 'from', base, ...(platform ? { platform } : {}) }
  if (as === undefined || name === undefined) return from
  if (as.toLowerCase() !== 'as')
    return subject.fail(`FROM: ${subject.quote(as)} stands where only AS can`, as)
  const lower = name.toLowerCase()
  if (STAGE_NAME.test(lower)) return { ...from, name: lower, ...describe(subject, lower) }
  return subject.fail(
    `stage name ${subject.quote(name)} does not begin with a letter or has other symbols than -_.`,
    name,
  )
}

function interpretExpose(subject: Subject): ExposeInstruction {
  noFlags(subject)
  return { kind: 'expose', ports: [...subject.needSome()].sort() }
}

function interpretVolume(subject: Subject): VolumeInstruction {
  noFlags(subject)
  const paths = subject.needSome().map(trim)
  if (paths.includes('')) subject.fail('a path of VOLUME is empty')
  return { kind: 'volume', paths }
}

function interpretOnbuild(subject: Subject): OnbuildInstruction {
  noFlags(subject)
  const { trigger, raw = '', heredocs = [], source } = subject.fields
  if (trigger === undefined) return subject.fail('ONBUILD needs an instruction')
  const name = trigger.name.toUpperCase()
  if (NOT_TRIGGERS.has(name)) return subject.fail(`${name} cannot stand behind ONBUILD`, trigger.name)
  if (heredocs.some(({ content }) => content === undefined))
    return subject.fail('a heredoc of ONBUILD is too long for the config of an image')
  if (heredocs.some(heredoc => heredoc.contentRaw !== undefined)) {
    return subject.fail('a heredoc of ONBUILD is not UTF-8, which the config of an image cannot hold')
  }
  const command = raw.replace(ONBUILD_KEYWORD, '')
  const column = (source?.column ?? 1) + [...raw].length - [...command].length
  const held = {
    ...trigger,
    heredocs,
    raw: command,
    ...(source === undefined ? {} : { source: { ...source, column } }),
  }
  const bodies = heredocs.map(heredoc => `\n${heredoc.content}${heredoc.name}`)
  return { kind: 'onbuild', expression: command + bodies.join(''), trigger: interpret(held) }
}

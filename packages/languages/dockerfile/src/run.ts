/**
 * RUN, CMD, ENTRYPOINT and SHELL.
 *
 * @module
 */

import { parseCSVLine } from './csv.js'
import { flagValues } from './flag-values.js'
import type {
  CmdInstruction,
  CommandLine,
  EntrypointInstruction,
  RunInstruction,
  ShellInstruction,
} from './instruction.js'
import type { Subject } from './subject.js'

const NETWORKS = ['default', 'none', 'host'] as const
const SECURITY_MODES = ['sandbox', 'insecure'] as const

export function interpretRun(subject: Subject): RunInstruction {
  const flags = flagValues(subject, { mount: 'list', network: 'text', security: 'text', device: 'list' })
  const command = commandLine(subject)
  if (command.command.length === 0) subject.fail('RUN needs a command')
  for (const mount of flags.mount) checkMount(subject, mount)
  for (const device of flags.device) {
    const read = parseDevice(device)
    if (typeof read === 'string') subject.fail(`--device: ${read}`, device)
  }
  return {
    kind: 'run',
    ...command,
    mounts: flags.mount,
    network: oneOf(subject, NETWORKS, { flag: 'network', value: flags.network }),
    security: oneOf(subject, SECURITY_MODES, { flag: 'security', value: flags.security }),
    devices: flags.device,
  }
}

export function interpretCmd(subject: Subject): CmdInstruction {
  flagValues(subject, {})
  return { kind: 'cmd', ...commandLine(subject) }
}

export function interpretEntrypoint(subject: Subject): EntrypointInstruction {
  flagValues(subject, {})
  return { kind: 'entrypoint', ...commandLine(subject) }
}

export function interpretShell(subject: Subject): ShellInstruction {
  flagValues(subject, {})
  const shell = subject.needSome()
  if (subject.fields.form !== 'json') subject.fail('SHELL has to be a JSON array: ["program", "argument"]')
  return { kind: 'shell', shell }
}

function commandLine(subject: Subject): CommandLine {
  const { args, form, heredocs } = subject.fields
  const shell = form !== 'json'
  const command = shell && args.length > 0 ? [args.join(' ')] : args
  return { shell, command, files: heredocs ?? [] }
}

function oneOf<T extends string>(
  subject: Subject,
  allowed: readonly [T, ...T[]],
  { flag, value }: { flag: string; value: string | undefined },
): T {
  if (value === undefined) return allowed[0]
  const found = allowed.find(one => one === value)
  return found ?? subject.fail(`--${flag} ${subject.quote(value)} is not one of ${allowed.join(', ')}`, value)
}

/** Checks what can be checked before variables are expanded: the fields, and that `from` has no variable. */
function checkMount(subject: Subject, mount: string): void {
  const fields = parseCSVLine(mount)
  if (fields === undefined) subject.fail(`--mount ${subject.quote(mount)} is no list of fields`, mount)
  const from = fields?.find(field => /^from=.*\$./i.test(field))
  if (from !== undefined)
    subject.fail(`--mount ${subject.quote(from)} has a variable: name a stage for it`, from)
}

export interface Device {
  readonly name: string
  readonly required: boolean
}

/**
 * The value of `RUN --device`: `vendor.com/class=name[,required[=bool]]`, the name also as `name=...`.
 *
 * @returns a string that says what is wrong, when it is not valid
 */
export function parseDevice(text: string): Device | string {
  const fields = parseCSVLine(text)
  if (fields === undefined) return `${JSON.stringify(text)} is no list of fields`
  let name = ''
  let required = false
  for (const field of fields) {
    const sign = field.indexOf('=')
    const key = (sign < 0 ? field : field.slice(0, sign)).toLowerCase()
    const value = sign < 0 ? undefined : field.slice(sign + 1)
    if (key === 'required') {
      const flag = value === undefined ? true : parseGoBoolean(value)
      if (flag === undefined) return `${JSON.stringify(field)} is neither true nor false`
      required = flag
    } else if (key === 'name' && value !== undefined) {
      if (name !== '') return `the name is given twice, ${JSON.stringify(name)} and ${JSON.stringify(value)}`
      name = value
    } else if (name === '') name = field
    else return `unknown field ${JSON.stringify(field)}`
  }
  return { name, required }
}

/** Go's strconv.ParseBool. */
export function parseGoBoolean(text: string): boolean | undefined {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true
  return ['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text) ? false : undefined
}

/**
 * The variables that the caller gives to a container: `--env`, `--env-file`.
 *
 * @module
 */

import fs from 'node:fs'
import { messageOf, ToolError } from '@pipelayer/errors'
import { optionError } from './option-error.js'

/** A variable and its value; one without a value is taken away from those of the image, as Docker does. */
export type Variable = readonly [name: string, value: string | undefined]

type Outer = Readonly<Record<string, string | undefined>>

/** A larger file is no list of variables. */
const MAX_FILE_BYTES = 16 * 1024 * 1024

/**
 * Parses what `--env-file` and `--env` give: files first, so that `--env` overrides them.
 *
 * @param outer - gives the value of a variable that is named without one
 * @throws {ToolError} `OPTION_INVALID`
 */
export function parseVariables(
  { files, entries }: { readonly files: readonly string[]; readonly entries: readonly string[] },
  outer: Outer,
): Variable[] {
  return [
    ...files.flatMap(file => variablesIn(file, outer)),
    ...entries.map(entry => parseEntry(entry, '--env', outer)),
  ]
}

/** The variables of the image with those of the caller in them: a known name keeps its place. */
export function mergeVariables(image: readonly string[], given: readonly Variable[]): string[] {
  const merged = [...image]
  for (const [name, value] of given) {
    const at = merged.findIndex(entry => entry === name || entry.startsWith(`${name}=`))
    const entries = value === undefined ? [] : [`${name}=${value}`]
    if (at < 0) merged.push(...entries)
    else merged.splice(at, 1, ...entries)
  }
  return merged
}

function parseEntry(entry: string, option: string, outer: Outer): Variable {
  const equals = entry.indexOf('=')
  const name = equals < 0 ? entry : entry.slice(0, equals)
  if (name === '') throw optionError(option, entry, 'it names no variable; it takes NAME=VALUE or NAME')
  if (entry.includes('\0')) throw optionError(option, entry, 'a variable holds no NUL byte')
  return [name, equals < 0 ? outer[name] : entry.slice(equals + 1)]
}

// As Docker reads it: blanks before a name and comment lines are left out, and a value is all behind the first `=`.
function variablesIn(file: string, outer: Outer): Variable[] {
  const lines = read(file).split(/\r?\n/)
  return lines
    .map(line => line.trimStart())
    .filter(line => line !== '' && !line.startsWith('#'))
    .map(line => {
      const [name = ''] = line.split('=', 1)
      if (/\s/.test(name))
        throw optionError('--env-file', file, `a name has a blank: ${JSON.stringify(name)}`)
      return parseEntry(line, `--env-file ${file}`, outer)
    })
    .filter(([, value]) => value !== undefined)
}

function read(file: string): string {
  try {
    const { size } = fs.statSync(file)
    if (size > MAX_FILE_BYTES) throw new Error(`it has ${size} bytes, more than ${MAX_FILE_BYTES}`)
    return new TextDecoder('utf-8', { fatal: true }).decode(fs.readFileSync(file))
  } catch (error) {
    throw new ToolError('OPTION_INVALID', `--env-file "${file}" cannot be read: ${messageOf(error)}`, {
      cause: error,
      status: 2,
    })
  }
}

/**
 * The keyword, the `--flags` right behind it, and the rest of an instruction.
 *
 *     instruction = KEYWORD blanks { flag space } [ "--" space ] rest
 *     flag        = "--" { char | "\" char | "'" .. "'" | '"' .. '"' }
 *
 * Quotes and backslashes of a flag are removed. The escape directive does not count here: the escape character is
 * always the backslash.
 *
 * @module
 */

import { isSpace, splitFirstBlanks, trimEnd, trimStart } from './spaces.js'

export interface Flag {
  readonly text: string
  readonly offset: number
}

export interface Command {
  /** As typed. */
  readonly cmd: string
  readonly cmdOffset: number
  readonly flags: readonly Flag[]
  readonly args: string
  readonly argsOffset: number
}

/** Offsets are those in `text`. */
export function splitCommand(text: string): Command {
  const cmdOffset = text.length - trimStart(text).length
  const trimmed = trimEnd(text.slice(cmdOffset))
  const halves = splitFirstBlanks(trimmed)
  if (halves === undefined) return { cmd: trimmed, cmdOffset, flags: [], args: '', argsOffset: text.length }
  const base = cmdOffset + halves.offset
  const { flags, end } = readFlags(halves.rest)
  const rest = halves.rest.slice(end)
  const args = trimStart(rest)
  return {
    cmd: halves.first,
    cmdOffset,
    flags: flags.map(flag => ({ text: flag.text, offset: base + flag.offset })),
    args,
    argsOffset: base + end + rest.length - args.length,
  }
}

function readFlags(text: string): { flags: Flag[]; end: number } {
  const flags: Flag[] = []
  let at = 0
  while (at < text.length) {
    if (isSpace(text.charAt(at))) {
      at++
      continue
    }
    if (!text.startsWith('--', at)) break
    const flag = readFlag(text, at)
    if (flag.text === '--') return { flags, end: flag.end }
    flags.push({ text: flag.text, offset: at })
    at = flag.end
  }
  return { flags, end: at }
}

function readFlag(text: string, start: number): { text: string; end: number } {
  let flag = ''
  let quote = ''
  let at = start
  for (; at < text.length; at++) {
    const char = text.charAt(at)
    if (quote === '' && isSpace(char)) break
    if (char === '\\') flag += text.charAt(++at)
    else if (char === quote) quote = ''
    else if (quote === '' && (char === '"' || char === "'")) quote = char
    else flag += char
  }
  return { text: flag, end: Math.min(at, text.length) }
}

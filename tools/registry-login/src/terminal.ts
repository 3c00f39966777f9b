import fs from 'node:fs'
import tty from 'node:tty'
import { ToolError } from '@pipelayer/errors'

/** Asks for one line. With `hidden`, the typed text is not shown. */
export type Ask = (question: string, how: { readonly hidden: boolean }) => Promise<string>

const INTERRUPT = '\u0003'
const END = '\u0004'
const ERASE = new Set(['\u007f', '\b'])
const ERASE_LINE = '\u0015'

/**
 * Asks on the terminal itself, even if stdin and stdout lead elsewhere.
 *
 * @throws ToolError `USAGE` of status 2 without a terminal; `STOPPED` for Ctrl-C and Ctrl-D
 */
export const askOnTerminal: Ask = async (question, { hidden }) => {
  const terminal = openTerminal()
  const { input } = terminal
  try {
    input.setRawMode(true)
    fs.writeSync(terminal.output, question)
    return await readLine(input, text => (hidden ? undefined : void fs.writeSync(terminal.output, text)))
  } finally {
    input.setRawMode(false)
    input.destroy()
    fs.writeSync(terminal.output, '\n')
    fs.closeSync(terminal.output)
  }
}

function openTerminal(): { readonly input: tty.ReadStream; readonly output: number } {
  try {
    return { input: new tty.ReadStream(fs.openSync('/dev/tty', 'r')), output: fs.openSync('/dev/tty', 'w') }
  } catch (cause) {
    const message = 'there is no terminal to ask on: give --username and --password-stdin'
    throw new ToolError('USAGE', message, { cause, status: 2 })
  }
}

/** @internal Reads keys up to the end of a line; `echo` gets the text to show. */
export function readLine(input: NodeJS.ReadableStream, echo: (text: string) => void): Promise<string> {
  return new Promise((resolve, reject) => {
    let line = ''
    const stop = (): void => reject(new ToolError('STOPPED', 'nothing was answered'))
    const key = (char: string): void => {
      if (char === '\r' || char === '\n') resolve(line)
      else if (char === INTERRUPT || (char === END && line === '')) stop()
      else if (ERASE.has(char) && line !== '') {
        line = [...line].slice(0, -1).join('')
        echo('\b \b')
      } else if (char === ERASE_LINE) {
        echo('\b \b'.repeat([...line].length))
        line = ''
      } else if (char >= ' ' && !ERASE.has(char)) {
        line += char
        echo(char)
      }
    }
    input.setEncoding('utf8')
    input.on('data', text => {
      for (const char of String(text)) key(char)
    })
    input.on('end', stop)
    input.on('error', reject)
  })
}

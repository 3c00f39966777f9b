// The command line of a script: `--help` prints the comment at its head, a wrong option is one line and status 2.
import fs from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'

/**
 * Reads options like Node's parseArgs; `script` is the path of the script's file, `more` a line to print after its
 * comment.
 */
export function readArguments(script, { options, more, ...config }) {
  try {
    const help = { type: 'boolean', short: 'h' }
    const given = parseArgs({ ...config, options: { ...options, help } })
    if (!given.values.help) return given
    const [head] = fs
      .readFileSync(script, 'utf8')
      .replace(/^#!.*\n/, '')
      .split(/\n(?!\/\/)/, 1)
    console.log([head.replace(/^\/\/ ?/gm, ''), ...(more ? [more] : [])].join('\n'))
    return process.exit(0)
  } catch (error) {
    const [why] = error.message.split('. ')
    console.error(`${path.basename(script, '.mjs')}: ${why} (--help shows the options)`)
    return process.exit(2)
  }
}

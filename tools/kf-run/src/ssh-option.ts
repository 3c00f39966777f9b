import fs from 'node:fs'
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import { type AgentSource, isKeyFile } from '@pipelayer/steps'

/**
 * Parses `--ssh`: `ID=SOCKET` for the socket of an agent, `ID=KEY[,KEY...]` for files of private keys, or `ID` for the
 * agent of `$SSH_AUTH_SOCK`.
 *
 * @throws {ToolError} `OPTION_INVALID`, system errors
 */
export function parseSsh(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): [id: string, from: AgentSource] {
  const at = text.indexOf('=')
  const id = at < 0 ? text : text.slice(0, at)
  const value = at < 0 ? env.SSH_AUTH_SOCK : text.slice(at + 1)
  if (id === '' || !value)
    throw invalid(text, 'expected ID=SOCKET, ID=KEY, or ID where $SSH_AUTH_SOCK is set')
  if (fs.statSync(value, { throwIfNoEntry: false })?.isSocket())
    return [id, { socket: fs.realpathSync(value) }]
  const keys = value.split(',').map(file => path.resolve(file))
  for (const file of keys) if (!isKey(file)) throw invalid(text, noKey(file))
  return [id, { keys }]
}

function isKey(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() === true && isKeyFile(file)
}

function noKey(file: string): string {
  return `"${file}" is neither the socket of an agent (ssh-agent) nor the file of a private key`
}

function invalid(text: string, why: string): ToolError {
  return new ToolError('OPTION_INVALID', `--ssh ${text}: ${why}`, { status: 2 })
}

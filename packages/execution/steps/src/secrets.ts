import fs from 'node:fs'
import path from 'node:path'
import { systemError, ToolError } from '@pipelayer/errors'
import { readNamed } from '@pipelayer/sys'
import type { SecretSource } from './executor-protocol.js'

/** The largest size of a secret, in bytes: 500 KiB, as with BuildKit. */
const MAX_SECRET_BYTES = 500 * 1024

const KEYS = ['id', 'src', 'source', 'env', 'type']

/**
 * Parses `--secret`: `id=ID,src=FILE` or `id=ID,env=NAME`. With `id=ID` alone, the secret is the variable of that name,
 * or else the file. With `type=env`, `src` is the name of a variable.
 *
 * ```ts
 * parseSecret('id=token,env=TOKEN', process.env) // ['token', { env: 'TOKEN' }]
 * ```
 *
 * @throws {ToolError} `OPTION_INVALID`, `SECRET_MISSING` if there is no such file
 */
export function parseSecret(
  text: string,
  env: Readonly<Record<string, string | undefined>>,
): [id: string, from: SecretSource] {
  const fields = new Map(text.split(',').map(part => splitAt(part, part.indexOf('='))))
  const wrong = [...fields.keys()].some(key => !KEYS.includes(key))
  const [id = '', type = ''] = [fields.get('id'), fields.get('type')]
  if (id === '' || wrong || !['', 'env', 'file'].includes(type)) throw invalid(text)
  const source = fields.get('src') ?? fields.get('source')
  const name = fields.get('env') ?? (type === 'env' ? source : undefined)
  if (name !== undefined) return [id, { env: name }]
  if (source === undefined && type !== 'file' && env[id] !== undefined) return [id, { env: id }]
  const file = path.resolve(source ?? id)
  if (!fs.existsSync(file))
    throw new ToolError('SECRET_MISSING', `the secret "${id}": there is no file "${file}"`)
  return [id, { file }]
}

function splitAt(text: string, at: number): [string, string] {
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function invalid(text: string): ToolError {
  return new ToolError(
    'OPTION_INVALID',
    `--secret ${text}: expected id=ID, id=ID,src=FILE or id=ID,env=NAME`,
    {
      status: 2,
    },
  )
}

/**
 * The bytes of a secret.
 *
 * @throws {ToolError} `SECRET_MISSING` if its variable is not set, `SECRET_TOO_LARGE`, system errors
 */
export function secretBytes(
  id: string,
  from: SecretSource,
  env: Readonly<Record<string, string | undefined>>,
): Buffer {
  const bytes = 'env' in from ? fromVariable(id, env[from.env], from.env) : fromFile(id, from.file)
  if (bytes.length > MAX_SECRET_BYTES) throw tooLarge(id)
  return bytes
}

function fromVariable(id: string, value: string | undefined, name: string): Buffer {
  if (value === undefined) throw new ToolError('SECRET_MISSING', `the secret "${id}": $${name} is not set`)
  return Buffer.from(value)
}

function fromFile(id: string, file: string): Buffer {
  try {
    return readNamed(file, MAX_SECRET_BYTES)
  } catch (error) {
    if (error instanceof ToolError && error.code === 'FILE_TOO_LARGE') throw tooLarge(id)
    throw systemError(error, `read the secret "${id}" from "${file}"`)
  }
}

function tooLarge(id: string): ToolError {
  return new ToolError('SECRET_TOO_LARGE', `the secret "${id}" has more than ${MAX_SECRET_BYTES} bytes`)
}

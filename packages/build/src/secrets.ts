import fs from 'node:fs'
import { attempt, ToolError } from '@pipelayer/errors'
import type { SecretSource } from './executor-protocol.js'

/** More than this is no secret: 500 KiB, as BuildKit has it. */
const MAX_SECRET_BYTES = 500 * 1024

/**
 * The bytes of a secret.
 *
 * @throws {ToolError} `SECRET_MISSING` where its variable is not set, `SECRET_TOO_LARGE`, system errors
 */
export function secretBytes(
  id: string,
  from: SecretSource,
  env: Readonly<Record<string, string | undefined>>,
): Buffer {
  const bytes = 'env' in from ? fromVariable(id, env[from.env], from.env) : fromFile(id, from.file)
  if (bytes.length > MAX_SECRET_BYTES)
    throw new ToolError('SECRET_TOO_LARGE', `the secret "${id}" has more than ${MAX_SECRET_BYTES} bytes`)
  return bytes
}

function fromVariable(id: string, value: string | undefined, name: string): Buffer {
  if (value === undefined) throw new ToolError('SECRET_MISSING', `the secret "${id}": $${name} is not set`)
  return Buffer.from(value)
}

function fromFile(id: string, file: string): Buffer {
  return attempt(`read the secret "${id}" from "${file}"`, () => fs.readFileSync(file))
}

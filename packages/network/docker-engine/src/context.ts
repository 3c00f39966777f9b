/**
 * Docker's contexts: named engines, of which one is the current one.
 *
 * ```
 * CONFIG/config.json                         { "currentContext": NAME }; `default` is none
 * CONFIG/contexts/meta/HASH/meta.json        { "Name": NAME, "Endpoints": { "docker": { "Host": "unix:///..." } } }
 * CONFIG/contexts/tls/HASH/docker/           ca.pem, cert.pem, key.pem, where TLS is spoken
 *
 * CONFIG = DOCKER_CONFIG, or ~/.docker       HASH = sha256 of NAME, in hexadecimal digits
 * ```
 *
 * Spec: Docker's command line, cli/context/store, doc.go.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { errnoOf, systemError, ToolError, visible } from '@pipelayer/errors'
import { isObject, type JsonObject, MAX_DOCUMENT } from '@pipelayer/oci'
import { readNamed } from '@pipelayer/sys'
import { type TlsFiles, tlsFiles } from './tls-files.js'

export type Env = Readonly<Record<string, string | undefined>>

/** The engine of a context. */
export interface Context {
  /** As DOCKER_HOST. */
  readonly host: string
  readonly tls?: TlsFiles
}

/** The folder of Docker's configuration. */
export function configFolder(env: Env): string {
  return env.DOCKER_CONFIG || path.join(env.HOME || '/', '.docker')
}

/**
 * The current context; undefined where there is none, or it is the default one.
 *
 * @throws ToolError `CONTEXT_INVALID` for a context that is not there, or is not one of a Docker engine that can be
 * reached from here; those of the system
 */
export function contextOf(env: Env): Context | undefined {
  const folder = configFolder(env)
  const name = env.DOCKER_CONTEXT || nameIn(path.join(folder, 'config.json'))
  if (name === undefined || name === '' || name === 'default') return undefined
  const hash = createHash('sha256').update(name).digest('hex')
  const meta = objectIn(path.join(folder, 'contexts/meta', hash, 'meta.json'))
  if (meta === undefined) throw invalid(name, `there is no such context in "${folder}"`)
  const { Endpoints } = meta
  const endpoint = isObject(Endpoints) && isObject(Endpoints.docker) ? Endpoints.docker : {}
  const { Host, SkipTLSVerify } = endpoint
  if (typeof Host !== 'string' || Host === '') throw invalid(name, 'it names no Docker engine')
  if (SkipTLSVerify === true) throw invalid(name, 'it does not check whose certificate the engine has')
  const certificates = path.join(folder, 'contexts/tls', hash, 'docker')
  return { host: Host, ...(fs.existsSync(certificates) && { tls: tlsFiles(certificates) }) }
}

function nameIn(file: string): string | undefined {
  const name = objectIn(file)?.currentContext
  return typeof name === 'string' ? name : undefined
}

function objectIn(file: string): JsonObject | undefined {
  let value: unknown
  try {
    value = JSON.parse(readNamed(file, MAX_DOCUMENT).toString('utf8'))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    if (error instanceof SyntaxError) throw notJson(file, error)
    throw systemError(error, `read Docker's configuration "${file}"`)
  }
  if (isObject(value)) return value
  throw notJson(file)
}

function notJson(file: string, cause?: unknown): ToolError {
  const hint = 'mend it, or say DOCKER_HOST'
  return new ToolError('CONTEXT_INVALID', `"${file}" of Docker's configuration is no JSON object: ${hint}`, {
    cause,
  })
}

function invalid(name: string, why: string): ToolError {
  const text = `cannot use the Docker context "${visible(name.slice(0, 200))}": ${why}; say DOCKER_HOST`
  return new ToolError('CONTEXT_INVALID', text)
}

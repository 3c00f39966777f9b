/**
 * Finds the engine that the `docker` program would ask:
 *
 * ```
 * DOCKER_HOST                     unix:///PATH | [tcp://]HOST[:PORT][/PATH] | http://... | https://...
 * else the current context        DOCKER_CONTEXT, or currentContext in config.json: see context.ts
 * else                            unix:///var/run/docker.sock
 * ```
 *
 * With DOCKER_TLS_VERIFY, TLS is spoken: `ca.pem`, `cert.pem` and `key.pem` lie in DOCKER_CERT_PATH, or beside
 * config.json.
 *
 * Spec: docker(1), "ENVIRONMENT VARIABLES".
 *
 * @module
 */
import path from 'node:path'
import { ToolError, visible } from '@pipelayer/errors'
import { configFolder, contextOf, type Env } from './context.js'
import { type TlsFiles, tlsFiles } from './tls-files.js'

/** Where an engine listens. */
export interface EngineAddress {
  /** For messages, as DOCKER_HOST would have it. */
  readonly text: string
  /** Where to connect to. */
  readonly target: { readonly socketPath: string } | { readonly host: string; readonly port: number }
  /** What precedes every path: empty, or `/docker`. */
  readonly base: string
  /** With TLS, also where it is empty. */
  readonly tls?: TlsFiles
}

const DEFAULT_HOST = 'unix:///var/run/docker.sock'
const PORTS = { tcp: 2375, tls: 2376, http: 80, https: 443 } as const
const NETWORK = /^(\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?(\/[^?#\s]*)?$/i

/**
 * Reads the environment, and perhaps files of Docker's configuration. Nothing is connected to.
 *
 * @throws ToolError `ENGINE_UNSUPPORTED` for an address that only the docker program can use: ssh, npipe, fd;
 * `ENGINE_INVALID` for one that is none; `CONTEXT_INVALID`; those of reading certificates
 */
export function findEngine(env: Env): EngineAddress {
  if (env.DOCKER_HOST) {
    const verifies = Boolean(env.DOCKER_TLS_VERIFY)
    const folder = env.DOCKER_CERT_PATH || configFolder(env)
    return parseHost(env.DOCKER_HOST, verifies ? tlsFiles(folder) : undefined)
  }
  const context = contextOf(env)
  return context === undefined ? parseHost(DEFAULT_HOST) : parseHost(context.host, context.tls)
}

/** @internal */
export function parseHost(text: string, tls?: TlsFiles): EngineAddress {
  const [, scheme = 'tcp', rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/s.exec(text.trim()) ?? []
  if (scheme === 'unix') return unixSocket(text, rest)
  if (scheme !== 'tcp' && scheme !== 'http' && scheme !== 'https') throw unsupported(text, scheme)
  const [, host, port, base = ''] = NETWORK.exec(rest) ?? []
  if (host === undefined || Number(port ?? 1) > 65_535 || port === '0') throw invalid(text)
  const secure = scheme === 'https' ? (tls ?? {}) : scheme === 'tcp' ? tls : undefined
  const usual = scheme === 'tcp' && secure !== undefined ? 'tls' : scheme
  return {
    text,
    target: { host: host.replace(/^\[|\]$/g, ''), port: Number(port ?? PORTS[usual]) },
    base: base.replace(/\/+$/, ''),
    ...(secure !== undefined && { tls: secure }),
  }
}

function unixSocket(text: string, socketPath: string): EngineAddress {
  if (socketPath === '') return parseHost(DEFAULT_HOST)
  if (socketPath.includes('\0')) throw invalid(text)
  return { text, target: { socketPath: path.resolve(socketPath) }, base: '' }
}

function invalid(text: string): ToolError {
  const forms = 'unix:///PATH, tcp://HOST:PORT or http://HOST:PORT'
  return new ToolError('ENGINE_INVALID', `"${shown(text)}" is no address of a Docker engine: it is ${forms}`)
}

function unsupported(text: string, scheme: string): ToolError {
  const why = `cannot reach the engine at ${shown(text)}: ${scheme} is not spoken here`
  if (scheme !== 'ssh') return new ToolError('ENGINE_UNSUPPORTED', `${why}; give unix:// or tcp://`)
  const host = shown(text.replace(/^ssh:\/\//, '').replace(/\/.*$/s, ''))
  const forward = `bring its socket here by \`ssh -nNT -L /tmp/docker.sock:/var/run/docker.sock ${host}\``
  const pipe = `pipe an archive through \`docker -H ssh://${host} load\` or \`save\``
  const hint = `${forward} and give DOCKER_HOST=unix:///tmp/docker.sock, or ${pipe}`
  return new ToolError('ENGINE_UNSUPPORTED', `${why}; ${hint}`)
}

/** @internal An address is shown in part, since it may be anything that a variable or a file holds. */
export function shown(text: string): string {
  return visible(text.length > 200 ? `${text.slice(0, 200)}...` : text)
}

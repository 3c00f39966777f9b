import { createSecureContext } from 'node:tls'
import { ToolError } from '@pipelayer/errors'
import { mirrorFiles, readHelpers, readMirrors } from '@pipelayer/mirrors'
import {
  Budget,
  Connections,
  type CredentialPlaces,
  type CredentialSource,
  certificateDirs,
  certificatesFor,
  credentialFiles,
  credentialPaths,
  readText,
  type SessionOptions,
  type TlsSettings,
} from '@pipelayer/registry'
import type { PlaceOptions } from './place.js'

export { Connections }

/** How registries are spoken to, as a user says it in options. The files that it names are read here. */
export interface RemoteAccess {
  /** Speak plain HTTP to registries that are not loopback. */
  readonly plainHttp?: boolean
  /** Files in PEM: authorities to trust as well, and a client certificate with its key. */
  readonly tls?: {
    readonly authorities: readonly string[]
    readonly identity?: { readonly cert: string; readonly key: string }
  }
  /** At most this many requests go to each host; without it there is no limit. */
  readonly requestsPerSecond?: number
  /** How many seconds a server may make us wait for one document or blob in all; each 16 KiB of it add one second. */
  readonly timeoutSeconds?: number | undefined
}

/** What a tool passes on from its process. */
export interface RemoteContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  warn(message: string, code?: string): void
}

export type RemoteOptions = Omit<PlaceOptions, 'store'>

/**
 * The options for all places of a run, which share credentials, mirrors and budgets.
 *
 * @throws ToolError `CERTIFICATE_INVALID`, `ENOENT`
 */
export function remoteOptions(access: RemoteAccess, context: RemoteContext): RemoteOptions {
  const { env, signal, warn } = context
  const { plainHttp = false, requestsPerSecond, timeoutSeconds } = access
  const registries = {
    plainHttp,
    tls: tlsOf(access.tls),
    credentials: credentialsFor(env),
    route: readMirrors(mirrorFiles(env)),
    ...(timeoutSeconds !== undefined && { retry: { totalMs: timeoutSeconds * 1000 } }),
    ...(requestsPerSecond !== undefined && { budget: new Budget(requestsPerSecond) }),
  }
  return { env, signal, warn, registries }
}

function tlsOf(files: RemoteAccess['tls']): TlsSettings {
  const { authorities = [], identity } = files ?? {}
  // Nothing is made when there is nothing to check: the first TLS context costs 30 ms.
  if (authorities.length === 0 && identity === undefined) return {}
  const tls = {
    ...(authorities.length > 0 && { authorities: authorities.map(readText) }),
    ...(identity && { identity: { cert: readText(identity.cert), key: readText(identity.key) } }),
  }
  checkTls(tls, [...authorities, ...(identity ? [identity.cert, identity.key] : [])].join(', '))
  return tls
}

/** Where the credentials of the user are kept: files, and the helpers that registries.conf lists. */
export function credentialPlaces(env: RemoteContext['env']): Required<CredentialPlaces> {
  return { paths: credentialPaths(env), helpers: readHelpers(mirrorFiles(env)) }
}

function credentialsFor(env: RemoteContext['env']): CredentialSource {
  const { paths, helpers } = credentialPlaces(env)
  return credentialFiles(paths, helpers)
}

/** Where a repository is, and what is known about its host. */
export interface Remote {
  readonly domain: string
  readonly path: string
  readonly plainHttp?: boolean
  readonly skipVerify?: boolean
  readonly authorities?: readonly string[]
  readonly identity?: { readonly cert: string; readonly key: string }
}

/**
 * What a client of a registry is opened with. Certificates come from the command line, then from the mirror's
 * configuration, then from `certs.d`. With a client certificate, TLS is spoken on loopback too.
 *
 * @throws ToolError `CERTIFICATE_INVALID`
 */
export function sessionOptions(options: PlaceOptions, remote: Remote): SessionOptions {
  const { env = {}, warn, signal, registries = {} } = options
  const { retry, timeouts, budget, connections } = registries
  const { domain, path, skipVerify } = remote
  const found = certificatesFor(domain, registries.certificates ?? certificateDirs(env))
  const sets = [registries.tls ?? {}, remote, found]
  const authorities = sets.flatMap(set => set.authorities ?? [])
  const identity = sets.find(set => set.identity !== undefined)?.identity
  if (found.authorities ?? found.identity) checkTls(found, `certs.d/${domain}`)
  const hasTls = authorities.length > 0 || identity !== undefined
  return {
    domain,
    path,
    transport: {
      env,
      timeouts,
      budget,
      plainHttp: registries.plainHttp || (remote.plainHttp ?? (hasTls ? false : undefined)),
      tls: { authorities, identity, skipVerify },
    },
    retry,
    signal,
    connections,
    warn,
    onRetry: (failure, waitMs) =>
      warn?.(`${failure.message}; trying again in ${(waitMs / 1000).toFixed(1)} s`, failure.code),
    credentials: registries.credentials ?? credentialsFor(env),
  }
}

// A broken file would otherwise fail at the first connection only, with a message that does not name the file.
function checkTls({ authorities, identity }: TlsSettings, source: string): void {
  try {
    createSecureContext({ ...(authorities && { ca: [...authorities] }), ...identity })
    const isText = (authorities ?? []).every(text => text.includes('-----BEGIN'))
    if (!isText) throw new Error('no PEM')
  } catch (error) {
    const why = (error as Error).message
    throw new ToolError('CERTIFICATE_INVALID', `cannot use the certificates of ${source}: ${why}`, {
      cause: error,
    })
  }
}

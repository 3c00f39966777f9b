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
  DEFAULT_RETRY,
  readText,
  type SessionOptions,
  type TlsSettings,
} from '@pipelayer/registry'
import type { PlaceOptions } from './place.js'

export { Connections }

/** The options of every tool that talks to registries: rows of its option table. */
export const REMOTE_OPTIONS = {
  'plain-http': { type: 'boolean', describe: 'speak plain HTTP to registries, not only to local ones' },
  'tls-ca': { type: 'array', value: 'FILE', describe: 'trust the authorities in FILE as well (repeatable)' },
  'tls-cert': { type: 'string', value: 'FILE', describe: 'show this client certificate to registries' },
  'tls-key': { type: 'string', value: 'FILE', describe: 'the key of --tls-cert' },
  rate: { type: 'number', value: 'N', describe: 'send each host at most N requests a second' },
  timeout: {
    type: 'number',
    value: 'SECONDS',
    default: DEFAULT_RETRY.totalMs / 1000,
    describe: 'wait so long in all for a document or blob, and a second for each 16 KiB of it',
  },
} as const

/** What {@link REMOTE_OPTIONS} gave. */
export interface RemoteArgs {
  readonly 'plain-http': boolean
  readonly 'tls-ca': readonly string[]
  readonly 'tls-cert': string | undefined
  readonly 'tls-key': string | undefined
  readonly rate: number | undefined
  readonly timeout: number
}

/** What a tool hands on of its process. */
export interface RemoteContext {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  warn(message: string, code?: string): void
}

export type RemoteOptions = Omit<PlaceOptions, 'store'>

/**
 * Turns a command line into options of places, for all places of a run: they share credentials, mirrors and budgets.
 *
 * @throws ToolError of status 2: `USAGE`; of status 1: `CERTIFICATE_INVALID`, `ENOENT`
 */
export function remoteOptions(args: RemoteArgs, context: RemoteContext): RemoteOptions {
  const { env, signal, warn } = context
  const { rate, timeout, 'tls-cert': cert, 'tls-key': key } = args
  if ((cert === undefined) !== (key === undefined)) throw usage('--tls-cert and --tls-key go together')
  if (rate === 0) throw usage('--rate takes a number above 0')
  if (timeout === 0) throw usage('--timeout takes a number above 0')
  const authorities = args['tls-ca'].map(readText)
  const identity =
    cert === undefined || key === undefined ? undefined : { cert: readText(cert), key: readText(key) }
  const tls = { ...(authorities.length > 0 && { authorities }), ...(identity && { identity }) }
  // Only with something to check: the first context costs 30 ms.
  if (tls.authorities ?? tls.identity)
    checkTls(tls, [...args['tls-ca'], ...(cert === undefined ? [] : [cert, key])].join(', '))
  return {
    env,
    signal,
    warn,
    tls,
    plainHttp: args['plain-http'],
    credentials: credentialsFor(env),
    route: readMirrors(mirrorFiles(env)),
    retry: { totalMs: timeout * 1000 },
    ...(rate !== undefined && { budget: new Budget(rate) }),
  }
}

/** Where the user's credentials are kept: files, and the helpers that registries.conf lists. */
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
 * configuration, then from `certs.d`. Who has a certificate speaks TLS on loopback too.
 *
 * @throws ToolError `CERTIFICATE_INVALID`
 */
export function sessionOptions(options: PlaceOptions, remote: Remote): SessionOptions {
  const { env = {}, warn, retry, timeouts, signal, budget, connections } = options
  const { domain, path, skipVerify } = remote
  const found = certificatesFor(domain, options.certificates ?? certificateDirs(env))
  const sets = [options.tls ?? {}, remote, found]
  const authorities = sets.flatMap(set => set.authorities ?? [])
  const identity = sets.find(set => set.identity !== undefined)?.identity
  if (found.authorities ?? found.identity) checkTls(found, `certs.d/${domain}`)
  const hasTls = authorities.length > 0 || identity !== undefined
  return {
    domain,
    path,
    env,
    retry,
    timeouts,
    signal,
    budget,
    connections,
    warn,
    plainHttp: options.plainHttp || (remote.plainHttp ?? (hasTls ? false : undefined)),
    tls: { authorities, identity, skipVerify },
    onRetry: (failure, waitMs) =>
      warn?.(`${failure.message}; trying again in ${(waitMs / 1000).toFixed(1)} s`, failure.code),
    credentials: options.credentials ?? credentialsFor(env),
  }
}

// A broken file would show itself only at the first connection, and without its name.
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

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}

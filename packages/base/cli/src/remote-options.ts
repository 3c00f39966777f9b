import { ToolError } from '@pipelayer/errors'
import type { OptionTable } from './options.js'

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
    default: 600,
    describe: 'wait so long in all for a document or blob, and a second for each 16 KiB of it',
  },
} as const satisfies OptionTable

/** The values of {@link REMOTE_OPTIONS}. */
export interface RemoteArgs {
  readonly 'plain-http': boolean
  readonly 'tls-ca': readonly string[]
  readonly 'tls-cert': string | undefined
  readonly 'tls-key': string | undefined
  readonly rate: number | undefined
  readonly timeout: number
}

/** The meaning of those options. Files are named, not read. */
export interface RemoteAccess {
  readonly plainHttp: boolean
  /** Files in PEM: authorities to trust as well, and a client certificate with its key. */
  readonly tls: {
    readonly authorities: readonly string[]
    readonly identity?: { readonly cert: string; readonly key: string }
  }
  readonly requestsPerSecond?: number
  readonly timeoutSeconds: number
}

/**
 * Reads the options of {@link REMOTE_OPTIONS}.
 *
 * @throws ToolError `USAGE`, status 2, for a certificate without its key, and for a rate or a timeout of 0
 */
export function remoteAccess(args: RemoteArgs): RemoteAccess {
  const { rate, timeout, 'tls-cert': cert, 'tls-key': key, 'tls-ca': authorities } = args
  if ((cert === undefined) !== (key === undefined)) throw usage('--tls-cert and --tls-key go together')
  if (rate === 0) throw usage('--rate takes a number above 0')
  if (timeout === 0) throw usage('--timeout takes a number above 0')
  return {
    plainHttp: args['plain-http'],
    tls: { authorities, ...(cert !== undefined && key !== undefined && { identity: { cert, key } }) },
    ...(rate !== undefined && { requestsPerSecond: rate }),
    timeoutSeconds: timeout,
  }
}

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}

/**
 * registry-serve: a registry over an OCI layout or over distribution's folder.
 *
 * @module
 */
import os from 'node:os'
import type { Readable } from 'node:stream'
import type { AnyRecord } from '@pipelayer/records'
import { Htpasswd, RegistryServer } from '@pipelayer/registry-server'
import { listenAddress } from './address.js'
import { openStorage, type StorageKind } from './storage.js'

export interface RegistryServeOptions {
  readonly dir: string
  /** The kind of storage in `dir`; if absent, it is found out. */
  readonly kind?: StorageKind | undefined
  /** `dir` is a store, or becomes one: a layout with further folders that only our programs know. */
  readonly isStore?: boolean
  /** `HOST:PORT`; with port 0, the system chooses a free one. */
  readonly listen: string
  /** PEM files, both or none. They are read again when they change. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** A file of `htpasswd -B`. */
  readonly htpasswd?: string
  readonly readOnly?: boolean
  readonly maxBlobBytes?: number
  /** How many uploads may be open at the same time; the default is the server's own limit. */
  readonly maxUploads?: number
  /** Further names that a server without `htpasswd` answers to, besides this machine's name and addresses. */
  readonly names?: readonly string[]
  /** Hours. */
  readonly uploadExpiry: number
  /** Stops when this ends. */
  readonly lifeline?: Readable
  readonly signal: AbortSignal
  now(): Date
  warn(message: string, code?: string): void
}

const HOUR_MS = 3_600_000
/** This is shorter than the time that a tool has to end after a signal. */
const GRACE_MS = 8000

/**
 * Serves until the signal comes or the lifeline ends, and then waits up to eight seconds for running requests. Its only
 * record, `listening`, names the address as soon as clients can connect.
 *
 * @throws ToolError `ADDRESS_INVALID`, `EADDRINUSE`, `TLS_INVALID`, `HTPASSWD_INVALID`; those of the storage
 */
export async function* registryServe(
  options: RegistryServeOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  const { host, port } = listenAddress(options.listen)
  const { tls, htpasswd, readOnly = false, maxBlobBytes, maxUploads, names = [] } = options
  const { kind, root, storage } = openStorage(options.dir, {
    kind: options.kind,
    isStore: options.isStore === true,
    readOnly,
  })
  const server = await RegistryServer.start({
    storage,
    host,
    port,
    readOnly,
    ...(tls !== undefined && { tls }),
    ...(htpasswd !== undefined && { users: new Htpasswd(htpasswd) }),
    limits: {
      ...(maxBlobBytes !== undefined && { maxBlobBytes }),
      ...(maxUploads !== undefined && { maxUploads }),
      uploadExpiryMs: options.uploadExpiry * HOUR_MS,
    },
    names: [os.hostname(), ...names],
    now: () => options.now().getTime(),
    warn: options.warn,
  })
  try {
    const { address, url } = server
    for (const warning of risks(options, host)) options.warn(warning)
    yield { type: 'listening', address, url, dir: root, kind }
    await ended(options)
  } finally {
    await server.close(GRACE_MS)
  }
}

// Risks that a user may not notice when other machines can connect.
function* risks(
  { tls, htpasswd, readOnly }: RegistryServeOptions,
  host: string,
): Generator<string, void, undefined> {
  if (/^(?:localhost|127\.|::1$)/.test(host)) return
  if (htpasswd === undefined && !readOnly) yield `everybody who can connect to ${host} may push and delete`
  if (htpasswd !== undefined && tls === undefined)
    yield `passwords come to ${host} in the clear: give --tls-cert`
}

function ended({ signal, lifeline }: RegistryServeOptions): Promise<void> {
  return new Promise(resolve => {
    signal.addEventListener('abort', () => resolve(), { once: true })
    if (signal.aborted) resolve()
    // Data on the lifeline is thrown away: only its end matters.
    lifeline?.once('close', resolve).once('end', resolve).once('error', resolve).resume()
  })
}

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
  /** What `dir` holds; found out unless said. */
  readonly kind?: StorageKind | undefined
  /** `dir` is, or becomes, a store: a layout with what only our programs know. */
  readonly isStore?: boolean
  /** `HOST:PORT`; port 0 is any that is free. */
  readonly listen: string
  /** PEM files, both or none; read again when they change. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** A file of `htpasswd -B`. */
  readonly htpasswd?: string
  readonly readOnly?: boolean
  readonly maxBlobBytes?: number
  /** Uploads that are open at the same time, at most; the server's own limit unless said. */
  readonly maxUploads?: number
  /** Names, beside this machine's and its addresses, that a server without `htpasswd` answers to. */
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
/** Shorter than the time that a tool has to end after a signal. */
const GRACE_MS = 8000

/**
 * Serves until the signal comes or the lifeline ends, then lets the requests that run come to their end, for up to
 * eight seconds. Its one record, `listening`, says where, as soon as it can be connected to.
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

// What a user may not see at first when others can connect.
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
    // What comes on it is thrown away: only its end matters.
    lifeline?.once('close', resolve).once('end', resolve).once('error', resolve).resume()
  })
}

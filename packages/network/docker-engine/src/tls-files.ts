import path from 'node:path'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { readNamed } from '@pipelayer/sys'

/** Certificates in PEM, as Docker names their files. */
export interface TlsFiles {
  /** The authority that the engine's certificate must come from; without it, those of the system. */
  readonly ca?: Buffer
  /** Our own certificate, for an engine that asks for one. */
  readonly cert?: Buffer
  readonly key?: Buffer
}

const MAX_BYTES = 1024 * 1024

/**
 * Reads `ca.pem`, `cert.pem` and `key.pem` of a folder, as far as they are there.
 *
 * @throws ToolError `CERTIFICATE_INVALID` for half a pair; those of the system
 */
export function tlsFiles(folder: string): TlsFiles {
  const [ca, cert, key] = ['ca.pem', 'cert.pem', 'key.pem'].map(name => fileIn(path.join(folder, name)))
  if ((cert === undefined) !== (key === undefined)) {
    const missing = path.join(folder, cert === undefined ? 'cert.pem' : 'key.pem')
    throw new ToolError('CERTIFICATE_INVALID', `"${missing}" is missing: a client needs both halves`)
  }
  return { ...(ca && { ca }), ...(cert && key && { cert, key }) }
}

function fileIn(file: string): Buffer | undefined {
  try {
    return readNamed(file, MAX_BYTES)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw systemError(error, `read the certificate "${file}"`)
  }
}

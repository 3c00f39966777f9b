import fs from 'node:fs'
import tls from 'node:tls'
import { attempt, messageOf, ToolError } from '@pipelayer/errors'
import { readNamed } from '@pipelayer/sys'

/** The most bytes of a certificate with its chain, or of a key. */
const MAX_PEM = 1024 * 1024

/** The PEM files of a certificate. */
export interface CertificateFiles {
  /** The certificate, and its chain. */
  readonly cert: string
  readonly key: string
}

export interface Pem {
  readonly cert: Buffer
  readonly key: Buffer
}

/**
 * A certificate and its key. A program that replaces the files while a server runs, usually an ACME client, writes one
 * after the other. So while certificate and key do not belong together, the pair before stays in use.
 */
export class Certificate {
  readonly #files: CertificateFiles
  #state: string

  /** The first pair. */
  readonly pem: Pem

  /** @throws {ToolError} `TLS_INVALID`; of the system */
  constructor(files: CertificateFiles) {
    this.#files = files
    this.#state = this.#look()
    this.pem = this.#read()
  }

  /**
   * The pair in the files now; undefined where they have not changed since the last call.
   *
   * @throws {ToolError} `TLS_INVALID`; of the system
   */
  changed(): Pem | undefined {
    const state = this.#look()
    if (state === this.#state) return undefined
    this.#state = state
    return this.#read()
  }

  // This makes two calls of stat, which take microseconds; a handshake takes milliseconds.
  #look(): string {
    const { cert, key } = this.#files
    const states = [cert, key].map(file => {
      const { ino, mtimeMs, size } = attempt(`read "${file}"`, () => fs.statSync(file))
      return `${ino} ${mtimeMs} ${size}`
    })
    return states.join(' ')
  }

  #read(): Pem {
    const [cert, key] = [this.#files.cert, this.#files.key].map(file =>
      attempt(`read "${file}"`, () => readNamed(file, MAX_PEM)),
    ) as [Buffer, Buffer]
    try {
      tls.createSecureContext({ cert, key })
    } catch (cause) {
      const message = `cannot use the certificate and its key: ${messageOf(cause)}`
      throw new ToolError('TLS_INVALID', message, { cause })
    }
    return { cert, key }
  }
}

import fs from 'node:fs'
import { attempt } from '@pipelayer/errors'

/** The largest size of a key file, in bytes. */
const MAX_KEY_BYTES = 64 * 1024

/** Whether a file looks like a private key, in OpenSSH's form or a PEM. @throws {ToolError} the system's */
export function isKeyFile(file: string): boolean {
  return keyBytes(file).includes('PRIVATE KEY-----')
}

/** The beginning of a file of a private key. @throws {ToolError} the system's */
export function keyBytes(file: string): Buffer {
  return attempt(`read "${file}"`, () => {
    const bytes = Buffer.alloc(MAX_KEY_BYTES)
    const fd = fs.openSync(file, 'r')
    try {
      return bytes.subarray(0, fs.readSync(fd, bytes, 0, MAX_KEY_BYTES, 0))
    } finally {
      fs.closeSync(fd)
    }
  })
}

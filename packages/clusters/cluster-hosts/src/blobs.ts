/**
 * Blobs brought to a host: what it has already is not sent again, and what broke goes on where it stopped.
 *
 * @module
 */

import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import type { PlacedLayer } from '@pipelayer/records'
import { BLOBS } from './places.js'
import type { Connections, SshTarget } from './ssh.js'

/** Prints `whole` for a blob that is there, else the bytes of it that came. The blob is hashed if `$3` says so. */
const ASK = `
mkdir -p "$1" && cd "$1" || exit 1
if [ -f "$2" ]; then echo whole; elif [ -f "$2.part" ]; then wc -c < "$2.part"; else echo 0; fi
`
/** Proves what came, and gives it its name. */
const KEEP = `
cd "$1" || exit 1
sum=$(sha256sum < "$2.part") || exit 1
[ "\${sum%% *}" = "$2" ] || { rm -f "$2.part"; echo "its sha256 is \${sum%% *}" >&2; exit 9; }
mv "$2.part" "$2"
`

/**
 * Brings a blob to a host.
 *
 * @param file - where the blob lies here
 * @returns the bytes that were sent
 * @throws ToolError `HOST_UNREACHABLE`; `DIGEST_MISMATCH` for bytes that came altered; `HOST_FAILED`
 */
export async function bringBlob(
  connections: Connections,
  target: SshTarget,
  { layer, file }: { readonly layer: PlacedLayer; readonly file: string },
): Promise<number> {
  const hex = layer.digest.replace(/^sha256:/, '')
  const asked = await connections.run(target, { argv: ['sh', '-c', ASK, 'sh', BLOBS, hex], timeout: 60 })
  const answer = asked.stdout.trim()
  if (answer === 'whole') return 0
  if (asked.status !== 0 || !/^\d+$/.test(answer))
    throw failed(target, 'say which blobs it has', asked.stderr)
  const start = Number(answer) > layer.size ? 0 : Number(answer)
  if (start < layer.size) {
    const write = `mkdir -p "$1" && cat ${start === 0 ? '>' : '>>'} "$1/$2.part"`
    const stdin = fs.createReadStream(file, { start })
    const { status, stderr } = await connections.run(target, {
      argv: ['sh', '-c', write, 'sh', BLOBS, hex],
      stdin,
    })
    if (status !== 0) throw failed(target, `take the blob ${layer.digest}`, stderr)
  }
  const kept = await connections.run(target, { argv: ['sh', '-c', KEEP, 'sh', BLOBS, hex] })
  if (kept.status === 9)
    throw new ToolError(
      'DIGEST_MISMATCH',
      `the blob ${layer.digest} came to ${target.address} altered: ${kept.stderr.trim()}`,
    )
  if (kept.status !== 0) throw failed(target, `keep the blob ${layer.digest}`, kept.stderr)
  return layer.size - start
}

/** @throws ToolError `HOST_FAILED` */
export function failed({ address }: SshTarget, what: string, said: string): ToolError {
  const why = said.trim().split('\n').slice(-5).join('; ')
  return new ToolError('HOST_FAILED', `${address} cannot ${what}: ${why || 'it said nothing'}`)
}

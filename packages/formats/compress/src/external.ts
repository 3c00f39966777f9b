/**
 * bzip2 and xz, by the system's programs: only for ADD of a local archive, never for layers.
 *
 * @module
 */
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { messageOf } from '@pipelayer/errors'
import { damaged, unsupported } from './errors.js'

/** `spawn` of node:child_process, which the caller passes in: this package itself starts no process. */
export type Spawn = (program: string, args: readonly string[], options: SpawnOptions) => ChildProcess

/** The paths are absolute, so that neither PATH nor an image decides which program runs. */
const PROGRAMS = {
  bzip2: ['/usr/bin/bzip2', '-dc'],
  // A window of 128 MiB needs little more memory than its own size.
  xz: ['/usr/bin/xz', '-dc', '--format=xz', '--memlimit-decompress=160MiB'],
} as const

/**
 * Decompresses `source` by a child process, which is killed when the loop is left.
 *
 * @throws ToolError COMPRESSION_INVALID when the program fails, COMPRESSION_UNSUPPORTED when it is not installed
 */
export async function* decompressExternal(
  source: AsyncIterable<Buffer>,
  format: 'bzip2' | 'xz',
  spawn: Spawn,
): AsyncGenerator<Buffer, void, void> {
  const [program, ...args] = PROGRAMS[format]
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], cwd: '/', env: {} })
  const { stdin, stdout, stderr } = child
  if (stdin === null || stdout === null || stderr === null) throw unsupported(`cannot talk to ${program}`)
  const stop = new AbortController()
  const ended = outcome(child)
  const said = firstWords(stderr)
  const fed = pipeline(Readable.from(source), stdin, { signal: stop.signal }).catch((error: unknown) => error)
  try {
    for await (const bytes of stdout) yield bytes
    const why = await ended
    if (why !== undefined)
      throw isAbsent(why)
        ? unsupported(`${program} is not installed`)
        : damaged(format, `${why}${await said}`)
    const failure = await fed
    if (failure !== undefined) throw failure
  } finally {
    stop.abort()
    child.kill('SIGKILL')
  }
}

/** Why the child failed; undefined where it did not. */
function outcome(child: ChildProcess): Promise<unknown> {
  return new Promise(resolve => {
    child.once('error', resolve)
    child.once('close', (status, signal) =>
      resolve(status === 0 ? undefined : `ended with ${signal ?? status}`),
    )
  })
}

function isAbsent(why: unknown): boolean {
  return why instanceof Error && messageOf(why).includes('ENOENT')
}

async function firstWords(stream: Readable): Promise<string> {
  let text = ''
  for await (const bytes of stream) if (text.length < 500) text += String(bytes)
  return text === '' ? '' : `: ${text.slice(0, 500).trim()}`
}

/**
 * Commands on hosts by the system's ssh: one connection for each host, which all commands share.
 *
 * Host keys are checked as ssh does: an unknown one is refused, unless new ones are accepted. A password reaches ssh by
 * SSH_ASKPASS, and is on no command line.
 *
 * Spec: ssh(1), ssh_config(5): ControlMaster, StrictHostKeyChecking; environment SSH_ASKPASS, SSH_ASKPASS_REQUIRE.
 *
 * @module
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { systemError, ToolError } from '@pipelayer/errors'

export interface SshTarget {
  readonly address: string
  readonly port?: number | undefined
  readonly user?: string | undefined
  readonly key?: string | undefined
  readonly password?: string | undefined
}

export interface SshOptions {
  /** Take the key of a host that is not known yet, and remember it. */
  readonly acceptNewHostKeys?: boolean
  /** A further host through which all are reached, as `ssh -J` takes it. */
  readonly jump?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

/** What a command of a host said and how it ended. */
export interface RemoteResult {
  readonly status: number
  /** At most the last MiB of each. */
  readonly stdout: string
  readonly stderr: string
}

export interface RemoteCommand {
  readonly argv: readonly string[]
  readonly stdin?: Readable | string
  /** Gets what the command writes to stdout, as it comes. */
  readonly onOutput?: (chunk: Buffer) => void
  /** Seconds after which the command is given up. */
  readonly timeout?: number
}

/** ssh's own status for a connection that failed. */
const SSH_FAILED = 255
const CONNECT_SECONDS = 15
const MAX_SAID = 1024 * 1024

/** Connections to hosts. They end with {@link close}, and with the process. */
export class Connections {
  readonly #options: SshOptions
  /** Holds sockets and passwords, for this user alone. */
  readonly #folder: string

  constructor(options: SshOptions) {
    this.#options = options
    this.#folder = fs.mkdtempSync(path.join(os.tmpdir(), 'pl-ssh-'))
  }

  /**
   * Runs a command of a host. Its words reach the program as they are: no shell of the host expands them.
   *
   * @throws ToolError `HOST_UNREACHABLE` where ssh fails; `SSH_MISSING`, `TIME_LIMIT`
   */
  async run(target: SshTarget, command: RemoteCommand): Promise<RemoteResult> {
    const line = command.argv.map(shellWord).join(' ')
    const child = spawn('ssh', [...this.#arguments(target), line], {
      env: { ...this.#options.env, ...this.#askpass(target) } as NodeJS.ProcessEnv,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    const result = await ended(child, command, this.#options.signal)
    if (result.status !== SSH_FAILED) return result
    const why = result.stderr.trim().split('\n').at(-1) ?? ''
    throw new ToolError(
      'HOST_UNREACHABLE',
      `cannot reach ${textOf(target)} by ssh: ${why || 'the connection ended'}`,
      {
        status: 75,
      },
    )
  }

  /** Ends the connections, and removes what held their secrets. */
  close(): void {
    for (const socket of fs.readdirSync(this.#folder).filter(name => name.startsWith('c-')))
      spawnSync('ssh', ['-O', 'exit', '-o', `ControlPath=${path.join(this.#folder, socket)}`, 'x'], {
        stdio: 'ignore',
      })
    fs.rmSync(this.#folder, { recursive: true, force: true })
  }

  #arguments({ address, port, user, key, password }: SshTarget): readonly string[] {
    const { acceptNewHostKeys, jump } = this.#options
    const settings = [
      'ControlMaster=auto',
      `ControlPath=${path.join(this.#folder, 'c-%C')}`,
      'ControlPersist=60',
      `ConnectTimeout=${CONNECT_SECONDS}`,
      'ServerAliveInterval=15',
      'ServerAliveCountMax=4',
      `StrictHostKeyChecking=${acceptNewHostKeys ? 'accept-new' : 'yes'}`,
      ...(password === undefined ? ['BatchMode=yes'] : ['NumberOfPasswordPrompts=1']),
    ]
    return [
      '-T',
      ...settings.flatMap(setting => ['-o', setting]),
      ...(port === undefined ? [] : ['-p', String(port)]),
      ...(key === undefined ? [] : ['-i', key]),
      ...(jump === undefined ? [] : ['-J', jump]),
      ...(user === undefined ? [] : ['-l', user]),
      '--',
      address,
    ]
  }

  /** The environment in which ssh asks a program of ours for the password, which is in a file for this user alone. */
  #askpass({ address, password }: SshTarget): Readonly<Record<string, string>> {
    if (password === undefined) return {}
    const [program, file] = [
      path.join(this.#folder, 'askpass'),
      path.join(this.#folder, `p-${address.replaceAll(':', '_')}`),
    ]
    if (!fs.existsSync(file)) fs.writeFileSync(file, password, { mode: 0o600 })
    if (!fs.existsSync(program))
      fs.writeFileSync(program, '#!/bin/sh\nexec cat "$PIPELAYER_PASSWORD_FILE"\n', { mode: 0o700 })
    return { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':', PIPELAYER_PASSWORD_FILE: file }
  }
}

async function ended(
  child: ChildProcess,
  command: RemoteCommand,
  signal: AbortSignal,
): Promise<RemoteResult> {
  const [stdout, stderr] = [new Tail(command.onOutput), new Tail()]
  child.stdout?.on('data', chunk => stdout.add(chunk))
  child.stderr?.on('data', chunk => stderr.add(chunk))
  const stop = (): void => void child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  let isLate = false
  const timer =
    command.timeout === undefined
      ? undefined
      : setTimeout(() => {
          isLate = true
          stop()
        }, command.timeout * 1000)
  try {
    const status = new Promise<number>((resolve, reject) => {
      child.once('error', error => reject(missing(error)))
      child.once('close', code => resolve(code ?? SSH_FAILED))
    })
    await feed(child, command.stdin)
    const code = await status
    if (isLate) throw new ToolError('TIME_LIMIT', `gave up after ${command.timeout} seconds`, { status: 75 })
    return { status: code, stdout: stdout.text, stderr: stderr.text }
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

function missing(error: Error & { readonly code?: string }): unknown {
  if (error.code !== 'ENOENT') return systemError(error, 'start ssh')
  return new ToolError('SSH_MISSING', 'ssh is not on PATH: install the client of OpenSSH', { status: 75 })
}

async function feed({ stdin }: ChildProcess, input: Readable | string | undefined): Promise<void> {
  if (stdin === null) return
  // A command that ends early closes its stdin, and its status tells why.
  stdin.on('error', () => {})
  if (input === undefined || typeof input === 'string') stdin.end(input ?? '')
  else
    await pipeline(input, stdin).catch(error => {
      if (!['EPIPE', 'ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET'].includes(String(error?.code))) throw error
    })
}

/** The end of what a stream says. */
class Tail {
  readonly #pass: ((chunk: Buffer) => void) | undefined
  #chunks: Buffer[] = []
  #size = 0

  constructor(pass?: (chunk: Buffer) => void) {
    this.#pass = pass
  }

  add(chunk: Buffer): void {
    this.#pass?.(chunk)
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size < 2 * MAX_SAID) return
    this.#chunks = [Buffer.concat(this.#chunks).subarray(-MAX_SAID)]
    this.#size = MAX_SAID
  }

  get text(): string {
    return Buffer.concat(this.#chunks).subarray(-MAX_SAID).toString('utf8')
  }
}

/** A word that a POSIX shell takes as it is. */
function shellWord(text: string): string {
  return /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

function textOf({ address, user, port }: SshTarget): string {
  return `${user === undefined ? '' : `${user}@`}${address}${port === undefined ? '' : ` port ${port}`}`
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { findProgram } from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import { keyBytes } from '@pipelayer/steps'
import type { ExecutorSetup } from './executor-setup.js'

/** Programs that we start must not ask for a passphrase. */
const QUIET = { SSH_ASKPASS: '/bin/false', SSH_ASKPASS_REQUIRE: 'force' }

export interface KeyAgent {
  readonly socket: string
  close(): void
}

/**
 * Starts an agent that holds the keys of files, for one step. It is a child of this process and its socket lies in
 * memory, so both end with this process. ssh-add gets the keys on stdin, because it would refuse key files that others
 * can read.
 *
 * @throws {ToolError} `SSH_KEY_INVALID` for a key that ssh-add refuses, such as one with a passphrase;
 *   `SSH_MISSING` if ssh-agent is not installed
 */
export async function startKeyAgent(
  { memory, env }: Pick<ExecutorSetup, 'memory' | 'env'>,
  keys: readonly string[],
): Promise<KeyAgent> {
  const [agentProgram, addProgram] = ['ssh-agent', 'ssh-add'].map(name => program(name, env.PATH))
  const dir = fs.mkdtempSync(path.join(memory, 'keys-'))
  // The path of a socket may have 107 bytes, so it is named relative to the open descriptor of its parent.
  const parent = fs.openSync(dir, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  const agent = spawn(agentProgram ?? '', ['-D', '-a', 'agent'], {
    cwd: dir,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const close = (): void => {
    agent.kill('SIGKILL')
    fs.closeSync(parent)
    fs.rmSync(dir, { recursive: true, force: true })
  }
  try {
    await listening(agent)
    for (const file of keys) await addKey(addProgram ?? '', { file, dir })
    return { socket: `/proc/self/fd/${parent}/agent`, close }
  } catch (error) {
    close()
    throw error
  }
}

// The agent prints the name of its socket as soon as it listens.
async function listening(agent: ChildProcess): Promise<void> {
  const ended = once(agent, 'close').then(() => {
    throw new ToolError('SSH_MISSING', 'ssh-agent ended before it listened')
  })
  ended.catch(() => {})
  await Promise.race([agent.stdout ? once(agent.stdout, 'data') : ended, ended])
}

async function addKey(
  program: string,
  { file, dir }: { readonly file: string; readonly dir: string },
): Promise<void> {
  const env = { ...QUIET, SSH_AUTH_SOCK: 'agent' }
  // The key is read before ssh-add is started, which would otherwise wait for ever for a key that cannot be read.
  const key = keyBytes(file)
  const child = spawn(program, ['-q', '-'], { cwd: dir, env, stdio: ['pipe', 'ignore', 'pipe'] })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  child.stdin.on('error', () => {}).end(key)
  const [status] = await once(child, 'close')
  if (status === 0) return
  const why = said.trim().split('\n').at(-1) || 'it has a passphrase, or is no key'
  throw new ToolError(
    'SSH_KEY_INVALID',
    `cannot use the key "${file}": ${why}; load it into an agent: ssh-add`,
  )
}

function program(name: string, searchPath: string | undefined): string {
  const found = findProgram(name, searchPath)
  if (found !== undefined) return found
  throw new ToolError('SSH_MISSING', `keys for --mount=type=ssh need ${name}, which is not there`)
}

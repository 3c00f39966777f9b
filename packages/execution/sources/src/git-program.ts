import { spawn } from 'node:child_process'
import { findProgram } from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import { DEFAULT_RETRY, type RetryOptions } from '@pipelayer/registry'

export interface GitEnvironment {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal | undefined
  /** `totalMs`: how long an HTTP server may be slower than 16 KiB a second. */
  readonly retry?: Partial<RetryOptions> | undefined
  /** The value of the Authorization header for a host, if the user's secrets have one. */
  readonly authorization?: ((host: string) => string | undefined) | undefined
}

export interface GitCall {
  readonly args: readonly string[]
  /** `GIT_DIR` and its like. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** The address of `origin`. It is passed in neither the argument list nor a file. */
  readonly remote?: string
  /** Protocols that git may use; none unless said. */
  readonly protocols?: string
}

/**
 * Protocols for repositories of others. `file` and `ext` are never allowed: a submodule could read our disk, or run
 * commands.
 */
export const REMOTE_PROTOCOLS = 'https:http:ssh:git'

/** The variables of git that are taken from the user's environment; they say how to reach a host. */
const KEPT = new Set(['GIT_SSH', 'GIT_SSH_COMMAND', 'GIT_SSL_CAINFO', 'GIT_SSL_CAPATH'])
/** Output of git is lists of names and .gitmodules. More than this many bytes is an attack on memory. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

/** This configuration replaces every configuration file: git runs no hooks, asks nothing, and remembers nothing. */
const CONFIG: Readonly<Record<string, string>> = {
  'core.hooksPath': '/dev/null',
  'core.fsmonitor': 'false',
  'core.attributesFile': '/dev/null',
  'core.askPass': '',
  'credential.helper': '',
  'init.templateDir': '',
  'init.defaultBranch': 'main',
  'gc.auto': '0',
  'maintenance.auto': 'false',
  'fetch.recurseSubmodules': 'false',
  'http.followRedirects': 'initial',
  'http.lowSpeedLimit': String(16 * 1024),
  'advice.detachedHead': 'false',
}

/**
 * Runs git and gives its stdout.
 *
 * @throws {ToolError} `GIT_MISSING`; `GIT_FAILED`, status 75, with the last line of git's output, without passwords
 */
export async function git(call: GitCall, options: GitEnvironment): Promise<Buffer> {
  const program = findProgram('git', options.env.PATH)
  if (program === undefined)
    throw new ToolError('GIT_MISSING', 'git is not installed: a git repository cannot be fetched without it')
  // The modes of files come from the repository, and must not depend on the umask of the caller's shell.
  const child = spawn('/bin/sh', ['-c', 'umask 022; exec "$@"', 'sh', program, ...call.args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(call, options),
    ...(call.cwd === undefined ? {} : { cwd: call.cwd }),
  })
  const stop = (): void => void child.kill('SIGTERM')
  options.signal?.addEventListener('abort', stop)
  try {
    const [out, err] = [collect(child.stdout, stop), collect(child.stderr, stop)]
    const status = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', resolve)
    })
    options.signal?.throwIfAborted()
    if (status === 0) return await out
    throw failed(call, (await err).toString('utf8'))
  } finally {
    options.signal?.removeEventListener('abort', stop)
  }
}

async function collect(stream: AsyncIterable<Buffer>, stop: () => void): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.length
    if (size <= MAX_OUTPUT_BYTES) chunks.push(chunk)
    else stop()
  }
  return Buffer.concat(chunks)
}

function environment(call: GitCall, options: GitEnvironment): Record<string, string> {
  const inherited = Object.entries(options.env).flatMap(([name, value]) =>
    value === undefined || (name.startsWith('GIT_') && !KEPT.has(name)) ? [] : [[name, value]],
  )
  return {
    GIT_SSH_COMMAND: 'ssh -F /dev/null -o BatchMode=yes',
    ...Object.fromEntries(inherited),
    LC_ALL: 'C',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_ALLOW_PROTOCOL: call.protocols ?? 'none',
    ...configOf(call, options),
    ...call.env,
  }
}

function configOf({ remote }: GitCall, { authorization, retry }: GitEnvironment): Record<string, string> {
  const config: [string, string][] = Object.entries(CONFIG)
  const { totalMs } = { ...DEFAULT_RETRY, ...retry }
  config.push(['http.lowSpeedTime', String(Math.ceil(totalMs / 1000))])
  if (remote !== undefined) config.push(['remote.origin.url', remote])
  const url = remote !== undefined && URL.canParse(remote) ? new URL(remote) : undefined
  const header = url?.protocol.startsWith('http') ? authorization?.(url.host) : undefined
  // The header is set for this origin only: a redirect to another host does not get it.
  if (header !== undefined) config.push([`http.${url?.origin}/.extraHeader`, `Authorization: ${header}`])
  const fields = config.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ])
  return { GIT_CONFIG_COUNT: String(config.length), ...Object.fromEntries(fields) }
}

function failed({ args, remote }: GitCall, stderr: string): ToolError {
  const lines = stderr.split('\n').filter(line => line.trim() !== '')
  const said = lines.find(line => /^(fatal|error):/.test(line)) ?? lines.at(-1) ?? 'it says nothing'
  const of = remote === undefined ? '' : ` of ${shownRemote(remote)}`
  const hidden = remote === undefined ? said : said.replaceAll(remote, shownRemote(remote))
  return new ToolError('GIT_FAILED', `git ${args[0]}${of}: ${withoutAccounts(hidden).slice(0, 500)}`, {
    status: 75,
  })
}

/** The address of a remote without its secrets: over HTTP the user name can be a token too. */
export function shownRemote(remote: string): string {
  return withoutAccounts(remote)
}

function withoutAccounts(text: string): string {
  return text.replace(/(https?:\/\/)[^/@\s]*@/gi, '$1').replace(/(:\/\/[^/@\s:]*):[^/@\s]*@/g, '$1@')
}

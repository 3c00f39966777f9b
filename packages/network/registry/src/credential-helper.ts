/**
 * Credential helpers: programs `docker-credential-NAME` with the verbs `get`, `store` and `erase`. Secrets are passed
 * by stdin and stdout, never as arguments.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'

/** Credentials for a registry. */
export interface Credentials {
  readonly username?: string
  readonly password?: string
  /** An OAuth2 refresh token. */
  readonly identityToken?: string
  /** A bearer token, used as it is. */
  readonly registryToken?: string
}

const TIMEOUT_MS = 30_000
const MAX_OUTPUT = 64 * 1024
/** The user name with which a helper marks its secret as an identity token. */
const TOKEN_USER = '<token>'

/**
 * Asks a helper for credentials; undefined when it has none for the server.
 *
 * @throws ToolError `CREDENTIAL_HELPER_FAILED`, `CREDENTIALS_INVALID` for text that cannot be the name of a helper
 */
export async function getFromHelper(name: string, server: string): Promise<Credentials | undefined> {
  const { status, output, program } = await run(name, 'get', `${server}\n`)
  if (status !== 0) {
    if (/credentials not found/i.test(output)) return undefined
    throw failed(`${program} get ${server}: exit status ${status}`)
  }
  const { Username, Secret } = parseAnswer(output, program)
  return Username === TOKEN_USER ? { identityToken: Secret } : { username: Username, password: Secret }
}

/** Stores credentials in a helper. Throws as {@link getFromHelper}. */
export async function storeInHelper(
  name: string,
  server: string,
  { username, password, identityToken }: Credentials,
): Promise<void> {
  const Username = identityToken === undefined ? username : TOKEN_USER
  const text = JSON.stringify({ ServerURL: server, Username, Secret: identityToken ?? password })
  const { status, program } = await run(name, 'store', text)
  if (status !== 0) throw failed(`${program} store ${server}: exit status ${status}`)
}

/** Erases credentials in a helper; false when it had none. Throws as {@link getFromHelper}. */
export async function eraseFromHelper(name: string, server: string): Promise<boolean> {
  if ((await getFromHelper(name, server)) === undefined) return false
  const { status, program } = await run(name, 'erase', `${server}\n`)
  if (status !== 0) throw failed(`${program} erase ${server}: exit status ${status}`)
  return true
}

function parseAnswer(output: string, program: string): { Username: string; Secret: string } {
  try {
    const { Username, Secret } = JSON.parse(output) as Readonly<Record<string, unknown>>
    if (typeof Username === 'string' && typeof Secret === 'string') return { Username, Secret }
  } catch {
    // The error is thrown below, without the output, which may contain a secret.
  }
  throw failed(`${program} get: its answer is not a credential`)
}

interface Answer {
  readonly status: number | null
  readonly output: string
  readonly program: string
}

async function run(name: string, verb: 'get' | 'store' | 'erase', input: string): Promise<Answer> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new ToolError('CREDENTIALS_INVALID', `credentials: not the name of a credential helper: ${name}`)
  }
  const program = `docker-credential-${name}`
  const { spawn } = await import('node:child_process')
  return await new Promise((resolve, reject) => {
    const child = spawn(program, [verb], {
      stdio: ['pipe', 'pipe', 'ignore'],
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    let output = ''
    child.on('error', error => {
      const message = `cannot run ${program}, which a configuration file names: ${error.message}`
      reject(new ToolError('CREDENTIAL_HELPER_FAILED', message, { cause: error }))
    })
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8')
      if (output.length > MAX_OUTPUT) child.kill()
    })
    child.on('close', status => resolve({ status, output, program }))
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

function failed(message: string): ToolError {
  return new ToolError('CREDENTIAL_HELPER_FAILED', message)
}

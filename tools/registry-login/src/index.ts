/**
 * registry-login: stores the credentials of a registry where all tools find them.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { credentialPlaces, type RemoteOptions, sessionOptions } from '@pipelayer/places'
import type { AnyRecord } from '@pipelayer/records'
import { parseNormalized } from '@pipelayer/reference'
import { type Credentials, eraseCredentials, Registry, storeCredentials } from '@pipelayer/registry'
import { type Ask, askOnTerminal } from './terminal.js'

export interface LoginOptions {
  /** `h.example:5000`; `docker.io` stands for Docker Hub. */
  readonly host: string | undefined
  readonly username?: string | undefined
  readonly passwordStdin?: boolean
  readonly logout?: boolean
  readonly remote: RemoteOptions
  readonly stdin: () => AsyncIterable<unknown>
  /** Is called with a text for the user. */
  readonly info: (message: string) => void
  /** Asks the user, in place of the terminal. */
  readonly ask?: Ask
}

const MAX_PASSWORD_BYTES = 64 * 1024

/**
 * Asks the registry whether it accepts the credentials, and stores them only then. Yields no records.
 *
 * @throws ToolError `USAGE` of status 2; `UNAUTHORIZED`, `DENIED`; those of `storeCredentials` and of the network.
 * Nothing was written then.
 */
export async function* registryLogin(options: LoginOptions): AsyncGenerator<AnyRecord, void, undefined> {
  const domain = domainOf(options.host ?? '')
  const where = credentialPlaces(options.remote.env ?? {})
  // The result is written to stderr, because it does not concern the next tool.
  yield* []
  if (options.logout) {
    const places = await eraseCredentials(where, domain)
    const from = places.length === 0 ? 'there were no credentials' : `forgotten by ${places.join(', ')}`
    options.info(`${domain}: ${from}`)
    return
  }
  const credentials = await credentialsOf(options, domain)
  await verify(options.remote, domain, credentials)
  const place = await storeCredentials(where, domain, credentials)
  options.info(`${domain} knows ${credentials.username}; kept in ${place}`)
}

// A host is the part of a reference before its first slash.
function domainOf(host: string): string {
  const name = host.replace(/^(?:index|registry-1)\.docker\.io$/, 'docker.io')
  try {
    const { domain } = parseNormalized(`${name}/library/x`)
    if (domain === name && !name.includes('/')) return domain
  } catch {
    // The error below covers this case too.
  }
  throw usage(`expected HOST[:PORT], got ${JSON.stringify(host)}`)
}

async function credentialsOf(options: LoginOptions, domain: string): Promise<Credentials> {
  const ask = options.ask ?? askOnTerminal
  if (options.username === undefined && options.passwordStdin)
    throw usage('--password-stdin needs --username')
  const username = options.username ?? (await ask(`User name for ${domain}: `, { hidden: false }))
  // When the credentials are sent, a colon ends the user name.
  if (username === '' || /[:\p{Cc}]/u.test(username))
    throw usage(`not a user name: ${JSON.stringify(username)}`)
  const password = options.passwordStdin
    ? await readPassword(options.stdin())
    : await ask(`Password for ${username} at ${domain}: `, { hidden: true })
  if (password === '') throw usage('the password is empty')
  return { username, password }
}

// As with `docker login`, one line break at the end is not part of the password.
async function readPassword(stdin: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of stdin) {
    const part = Buffer.from(chunk as Uint8Array)
    bytes += part.length
    if (bytes > MAX_PASSWORD_BYTES) throw usage(`the password has more than ${MAX_PASSWORD_BYTES} bytes`)
    chunks.push(part)
  }
  return Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '')
}

async function verify(remote: RemoteOptions, domain: string, credentials: Credentials): Promise<void> {
  const { path: _path, ...session } = sessionOptions({ ...remote, store: '' }, { domain, path: '' })
  const registry = new Registry({ ...session, credentials: async () => credentials })
  try {
    await registry.ping()
  } finally {
    await registry.close()
  }
}

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}

/**
 * Reads credentials in the configuration files of Docker and podman.
 *
 * ```
 * { "auths": { KEY: { "auth": base64("user:password"), "identitytoken": "...", "registrytoken": "..." } },
 *   "credHelpers": { HOST: NAME }, "credsStore": NAME }
 * KEY = HOST [ "/" PATH ] / URL        a longer path wins, then the key that is spelled as the host; a helper is the
 *                                      program docker-credential-NAME
 * ```
 *
 * @module
 */
import { createReadStream } from 'node:fs'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { type Credentials, getFromHelper } from './credential-helper.js'

export type { Credentials }

/** Finds the credentials for a repository; undefined means anonymous. */
export type CredentialSource = (domain: string, path: string) => Promise<Credentials | undefined>

/** The most bytes of a configuration file. */
const MAX_FILE = 16 * 1024 * 1024
const HUB = 'docker.io'
/** The name of the Hub in files of Docker's tools. */
const HUB_KEY = 'https://index.docker.io/v1/'

/** Hosts of the Hub, which share one login. */
const HUB_HOSTS: readonly string[] = [HUB, 'index.docker.io', 'registry-1.docker.io']
/** @internal In a list of helpers it stands for the configuration files. */
export const FILES = 'containers-auth.json'

/** The places in which credentials are looked for. */
export interface CredentialPlaces {
  /** Configuration files, as {@link credentialPaths} gives them. */
  readonly paths: readonly string[]
  /**
   * `credential-helpers` of registries.conf: helpers for every host, in their order; `containers-auth.json` stands for
   * the files. Spec: containers-registries.conf(5).
   */
  readonly helpers?: () => readonly string[]
}

/**
 * Finds credentials in configuration files. They are read when they are first needed, one after the other, until one
 * has credentials. Files that do not exist are skipped.
 *
 * The source throws ToolError `CREDENTIALS_INVALID` for a broken file, `CREDENTIAL_HELPER_FAILED`.
 *
 * Where one of several helpers for all hosts fails, this is an error only when no other helper and no file has
 * credentials.
 */
export function credentialFiles(
  paths: readonly string[],
  helpers: CredentialPlaces['helpers'] = () => [],
): CredentialSource {
  const files = new Map<string, Promise<JsonObject | undefined>>()
  const ask = askedOnce()
  const inFiles: CredentialSource = async (domain, path) => {
    for (const name of paths) {
      const config = files.get(name) ?? readConfig(name)
      files.set(name, config)
      const found = await lookUp((await config) ?? {}, domain, { path, ask })
      if (found !== undefined) return found
    }
    return undefined
  }
  return async (domain, path) => {
    const failures: unknown[] = []
    for (const helper of orderOf(helpers())) {
      try {
        const servers = [domain, serverOf(domain)]
        const found = await (helper === FILES ? inFiles(domain, path) : askHelper(helper, servers, ask))
        if (found !== undefined) return found
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
    return undefined
  }
}

/**
 * @internal The helpers in the order in which they are asked; by default only the files, which {@link FILES} stands
 * for.
 */
export function orderOf(helpers: readonly string[]): readonly string[] {
  return helpers.length === 0 ? [FILES] : helpers
}

/** The paths of the files: `$REGISTRY_AUTH_FILE` alone, else podman's and then Docker's. */
export function credentialPaths(env: Readonly<Record<string, string | undefined>>): string[] {
  if (env.REGISTRY_AUTH_FILE) return [env.REGISTRY_AUTH_FILE]
  const docker = env.DOCKER_CONFIG || (env.HOME && `${env.HOME}/.docker`)
  return [
    ...(env.XDG_RUNTIME_DIR ? [`${env.XDG_RUNTIME_DIR}/containers/auth.json`] : []),
    ...(docker ? [`${docker}/config.json`] : []),
  ]
}

/** Finds the credentials for a repository in a configuration, asking its helpers. */
export async function lookUp(
  config: JsonObject,
  domain: string,
  { path, ask = getFromHelper }: { readonly path: string; readonly ask?: typeof getFromHelper | undefined },
): Promise<Credentials | undefined> {
  const helper = helperFor(config, domain)
  const servers = [serverOf(domain), domain]
  const kept = helper === undefined ? undefined : await askHelper(helper, servers, ask)
  if (kept !== undefined) return kept
  const auths = Object.entries(objectIn(config, 'auths'))
  for (const key of keysFor(domain, path)) {
    const alike = auths.filter(([name]) => normalKey(name) === normalKey(key))
    // The sort is stable, so of two equally near keys the first one counts.
    for (const [, entry] of alike.sort(([a], [b]) => distance(a, key) - distance(b, key))) {
      const found = parseEntry(entry)
      if (found !== undefined) return found
    }
  }
  return undefined
}

// Ranks the spelling of a key: first the host as it was asked for, then the form that Docker's tools write, then any
// other.
function distance(key: string, asked: string): number {
  return key === asked ? 0 : key === HUB_KEY ? 1 : 2
}

// Docker's tools store the Hub in helpers under its old address, podman under its name.
async function askHelper(
  helper: string,
  servers: readonly string[],
  ask: typeof getFromHelper,
): Promise<Credentials | undefined> {
  for (const server of new Set(servers)) {
    const found = await ask(helper, server)
    if (found !== undefined) return found
  }
  return undefined
}

// Asks a helper only once for each host, since it is a program, and a run may need thousands of repositories of one
// host.
function askedOnce(): typeof getFromHelper {
  const answers = new Map<string, Promise<Credentials | undefined>>()
  return (helper, server) => {
    const key = JSON.stringify([helper, server])
    const answer = answers.get(key) ?? getFromHelper(helper, server)
    answers.set(key, answer)
    return answer
  }
}

/** @internal The helper for the credentials of a host, if there is one. */
export function helperFor(config: JsonObject, domain: string): string | undefined {
  const helpers = objectIn(config, 'credHelpers')
  const names = HUB_HOSTS.includes(domain) ? [domain, ...HUB_HOSTS, HUB_KEY] : [domain]
  const helper = names.map(name => helpers[name]).find(name => typeof name === 'string') ?? config.credsStore
  return typeof helper === 'string' && helper !== '' ? helper : undefined
}

/** @internal The name of a host in files of Docker's tools. */
export function serverOf(domain: string): string {
  return HUB_HOSTS.includes(domain) ? HUB_KEY : domain
}

/**
 * Reads one entry of `auths`; undefined when it is empty.
 *
 * @throws ToolError `CREDENTIALS_INVALID`
 */
export function parseEntry(entry: unknown): Credentials | undefined {
  if (typeof entry !== 'object' || entry === null) throw invalid('an entry of "auths" is not an object')
  const text = (field: string): string | undefined => {
    const value: unknown = Reflect.get(entry, field) ?? ''
    if (typeof value !== 'string') throw invalid(`"${field}" is not a string`)
    return value || undefined
  }
  const pair = decodePair(text('auth'))
  const username = pair?.[0] ?? text('username')
  const password = pair?.[1] ?? text('password')
  const identityToken = text('identitytoken')
  const registryToken = text('registrytoken')
  const found = {
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(identityToken !== undefined && { identityToken }),
    ...(registryToken !== undefined && { registryToken }),
  }
  return Object.keys(found).length === 0 ? undefined : found
}

/** @internal */
export type JsonObject = Readonly<Record<string, unknown>>

function keysFor(domain: string, path: string): string[] {
  const parts = path === '' ? [] : path.split('/')
  const longest = parts.map((_part, index) => [domain, ...parts.slice(0, parts.length - index)].join('/'))
  return [...longest, domain]
}

/** @internal A key without scheme and version: Docker wrote `https://host/v1/`, podman writes `host/path`. */
export function normalKey(key: string): string {
  const isURL = /^https?:\/\//.test(key)
  const bare = key.replace(/^https?:\/\//, '').replace(/\/(?:v[12]\/?)?$/, '')
  const name = isURL ? (bare.split('/', 1)[0] ?? '') : bare
  return name.replace(/^(?:index|registry-1)\.docker\.io(?=\/|$)/, HUB)
}

function decodePair(auth: string | undefined): readonly [string, string] | undefined {
  if (auth === undefined) return undefined
  const text = Buffer.from(auth, 'base64').toString('utf8').replace(/\0+$/, '')
  const colon = text.indexOf(':')
  if (colon < 0) throw invalid('"auth" is not base64 of user:password')
  return [text.slice(0, colon), text.slice(colon + 1)]
}

/** @internal A configuration file; undefined when it does not exist. @throws ToolError `CREDENTIALS_INVALID`, `FILE_TOO_LARGE` */
export async function readConfig(path: string): Promise<JsonObject | undefined> {
  let text: string
  try {
    text = await readText(path)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw systemError(error, `read credentials "${path}"`)
  }
  try {
    const value: unknown = JSON.parse(text === '' ? '{}' : text)
    if (typeof value === 'object' && value !== null) return value as JsonObject
  } catch {
    // The parser's message is not shown, since it would quote a secret of the file.
  }
  throw invalid(`"${path}" is not a JSON object`)
}

// Programs that keep secrets pass them through a FIFO. The wait for it is not in the main thread, so that signals are
// handled.
async function readText(path: string): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_FILE)
      throw new ToolError('FILE_TOO_LARGE', `cannot read "${path}": it has more than ${MAX_FILE} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** @internal */
export function objectIn(value: JsonObject, field: string): JsonObject {
  const inner = value[field]
  return typeof inner === 'object' && inner !== null ? (inner as JsonObject) : {}
}

function invalid(why: string): ToolError {
  return new ToolError('CREDENTIALS_INVALID', `credentials: ${why}`)
}

import { randomUUID } from 'node:crypto'
import { mkdir, open, realpath, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { eraseFromHelper, storeInHelper } from './credential-helper.js'
import {
  type CredentialPlaces,
  type Credentials,
  FILES,
  helperFor,
  type JsonObject,
  normalKey,
  objectIn,
  orderOf,
  readConfig,
  serverOf,
} from './credentials.js'

/**
 * Stores the credentials of a host where they are found again: in the first file that has some for it, else in the
 * first file that exists, else in a new file, at the last path. Where that file names a helper, the helper stores them
 * instead. A helper for all hosts that comes before the files in registries.conf stores them in place of both.
 *
 * @returns the place where they are stored, as text for people
 * @throws ToolError `CREDENTIALS_INVALID`, `CREDENTIAL_HELPER_FAILED`; those of the system
 */
export async function storeCredentials(
  { paths, helpers = () => [] }: CredentialPlaces,
  domain: string,
  credentials: Credentials,
): Promise<string> {
  const [first = FILES] = orderOf(helpers())
  if (first !== FILES) {
    await storeInHelper(first, domain, credentials)
    return `docker-credential-${first}`
  }
  const { path, config } = await fileFor(paths, domain)
  const helper = helperFor(config, domain)
  if (helper !== undefined) await storeInHelper(helper, serverOf(domain), credentials)
  // An empty entry is Docker's mark that a helper has the credentials.
  const entry = helper === undefined ? entryOf(credentials) : {}
  await writeConfig(path, { ...config, auths: { ...withoutHost(config, domain), [serverOf(domain)]: entry } })
  return helper === undefined ? path : `docker-credential-${helper}`
}

/**
 * Erases the credentials of a host in every file and helper.
 *
 * @returns the places where they were; empty when there were none
 * @throws as {@link storeCredentials}
 */
export async function eraseCredentials(
  { paths, helpers = () => [] }: CredentialPlaces,
  domain: string,
): Promise<string[]> {
  const places: string[] = []
  for (const helper of orderOf(helpers())) {
    if (helper === FILES) continue
    for (const server of new Set([domain, serverOf(domain)])) {
      if (await eraseFromHelper(helper, server)) places.push(`docker-credential-${helper}`)
    }
  }
  for (const path of paths) {
    const config = await readConfig(path)
    if (config === undefined) continue
    const helper = helperFor(config, domain)
    if (helper !== undefined && (await eraseFromHelper(helper, serverOf(domain)))) {
      places.push(`docker-credential-${helper}`)
    }
    const auths = withoutHost(config, domain)
    if (Object.keys(auths).length === Object.keys(objectIn(config, 'auths')).length) continue
    await writeConfig(path, { ...config, auths })
    if (helper === undefined) places.push(path)
  }
  return places
}

interface ConfigFile {
  readonly path: string
  readonly config: JsonObject
}

async function fileFor(paths: readonly string[], domain: string): Promise<ConfigFile> {
  const files: ConfigFile[] = []
  for (const path of paths) {
    const config = await readConfig(path)
    if (config !== undefined) files.push({ path, config })
  }
  const last = paths.at(-1)
  const found = files.find(({ config }) => hasHost(config, domain)) ?? files[0]
  if (found !== undefined) return found
  if (last !== undefined) return { path: last, config: {} }
  throw new ToolError(
    'CREDENTIALS_INVALID',
    'there is no place for credentials: set REGISTRY_AUTH_FILE or HOME',
  )
}

function hasHost(config: JsonObject, domain: string): boolean {
  const isNamed = Object.keys(objectIn(config, 'auths')).some(key => normalKey(key) === domain)
  return isNamed || Object.hasOwn(objectIn(config, 'credHelpers'), domain)
}

function withoutHost(config: JsonObject, domain: string): JsonObject {
  const others = Object.entries(objectIn(config, 'auths')).filter(([key]) => normalKey(key) !== domain)
  return Object.fromEntries(others)
}

function entryOf({ username = '', password = '', identityToken }: Credentials): JsonObject {
  const auth = Buffer.from(`${username}:${password}`).toString('base64')
  return { auth, ...(identityToken !== undefined && { identitytoken: identityToken }) }
}

// The file is replaced as a whole or not at all, and is never readable for others. A symlink stays a symlink.
async function writeConfig(path: string, config: JsonObject): Promise<void> {
  const target = await realpath(path).catch(error => missing(error, path))
  const temporary = `${target}.${randomUUID()}.tmp`
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 })
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(`${JSON.stringify(config, undefined, '\t')}\n`)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, target)
    await syncFolder(dirname(target))
  } catch (error) {
    await rm(temporary, { force: true })
    throw systemError(error, `write credentials "${path}"`)
  }
}

function missing(error: unknown, path: string): string {
  if (errnoOf(error) === 'ENOENT') return path
  throw systemError(error, `write credentials "${path}"`)
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

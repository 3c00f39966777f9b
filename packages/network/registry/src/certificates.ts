import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { errnoOf, systemError, ToolError } from '@pipelayer/errors'
import { readNamed } from '@pipelayer/sys'
import type { TlsSettings } from './dispatchers.js'

/** The most bytes of a file. */
const MAX_FILE = 16 * 1024 * 1024

/**
 * The folders in which Docker and podman keep the certificates of registries, in the order in which they are searched.
 */
export function certificateDirs(env: Readonly<Record<string, string | undefined>>): string[] {
  const config = env.XDG_CONFIG_HOME || (env.HOME && `${env.HOME}/.config`)
  return [
    ...(config ? [`${config}/containers/certs.d`] : []),
    '/etc/containers/certs.d',
    '/etc/docker/certs.d',
  ]
}

/**
 * Reads the certificates of a registry from the first of the folders that has a folder of its name: `*.crt` are
 * authorities, `NAME.cert` with `NAME.key` is our client certificate (the first pair by name).
 *
 * Spec: containers-certs.d(5).
 *
 * @param domain - of a reference: `h.example:5000`
 * @throws ToolError `CERTIFICATE_INVALID` for half a pair; `EACCES`
 */
export function certificatesFor(domain: string, dirs: readonly string[]): TlsSettings {
  for (const dir of dirs) {
    const folder = join(dir, domain)
    const names = filesOf(folder)
    if (names === undefined) continue
    const authorities = names.filter(name => name.endsWith('.crt')).map(name => readText(join(folder, name)))
    const identity = identityOf(folder, names)
    return { ...(authorities.length > 0 && { authorities }), ...(identity && { identity }) }
  }
  return {}
}

function identityOf(folder: string, names: readonly string[]): TlsSettings['identity'] {
  const halves = new Set(
    names.filter(name => /\.(?:cert|key)$/.test(name)).map(name => name.replace(/\.\w+$/, '')),
  )
  const [first] = [...halves].sort()
  if (first === undefined) return undefined
  for (const name of [`${first}.cert`, `${first}.key`]) {
    if (!names.includes(name)) {
      throw new ToolError(
        'CERTIFICATE_INVALID',
        `"${join(folder, name)}" is missing: a client needs both halves`,
      )
    }
  }
  return { cert: readText(join(folder, `${first}.cert`)), key: readText(join(folder, `${first}.key`)) }
}

/** Reads a file of certificates, of at most 16 MiB; its errors name it. */
export function readText(path: string): string {
  try {
    return readNamed(path, MAX_FILE).toString('utf8')
  } catch (error) {
    throw systemError(error, `read the certificate "${path}"`)
  }
}

function filesOf(folder: string): string[] | undefined {
  try {
    return readdirSync(folder).sort()
  } catch (error) {
    const errno = errnoOf(error)
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined
    throw systemError(error, `read the certificates in "${folder}"`)
  }
}

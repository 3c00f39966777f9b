import fs from 'node:fs'
import { attempt } from '@pipelayer/errors'
import type { RegistryLogin } from '@pipelayer/workload-images'

/**
 * Writes credentials as Docker's config.json, which only the user can read, and replaces an existing file as a whole.
 * If a registry has two credentials, the last ones count.
 */
export function writeAuthFile(file: string, logins: readonly RegistryLogin[]): void {
  const auths = Object.fromEntries(
    logins.map(({ registry, username, password }) => [
      registry,
      { auth: Buffer.from(`${username}:${password}`).toString('base64') },
    ]),
  )
  const temporary = `${file}.${process.pid}.tmp`
  attempt(`write the credentials to ${JSON.stringify(file)}`, () => {
    try {
      fs.writeFileSync(temporary, `${JSON.stringify({ auths }, null, 2)}\n`, { mode: 0o600, flag: 'wx' })
      fs.renameSync(temporary, file)
    } catch (error) {
      fs.rmSync(temporary, { force: true })
      throw error
    }
  })
}

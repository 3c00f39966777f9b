/**
 * Checks the names that a server without passwords answers to.
 *
 * This prevents DNS rebinding: a web page that a user of this machine or network visits can point its own host name at
 * this server, and then read and write all that is open to everybody. Its requests have that name as their Host. A page
 * that keeps its own address can only send requests, and their Origin names another host.
 *
 * @module
 */
import { isIP } from 'node:net'
import { ToolError } from '@pipelayer/errors'

/** The headers of a request that name its target and its source. */
export interface Addressed {
  readonly host: string | undefined
  readonly origin: string | undefined
}

/**
 * Refuses a request that names neither an IP address, nor localhost, nor one of `names`, and one of a page that was
 * not loaded from this server.
 *
 * @throws {ToolError} `DENIED`: start the server with this name, or with passwords
 */
export function checkHost({ host, origin }: Addressed, names: ReadonlySet<string>): void {
  const name = nameIn(host ?? '')
  if (!isOurs(name, names))
    throw new ToolError(
      'DENIED',
      `a server without passwords does not answer to the name ${JSON.stringify(name.slice(0, 100))}: ` +
        'start it with --name, or with --htpasswd',
    )
  if (origin === undefined || /^https?:\/\/(.*)$/i.exec(origin)?.[1]?.toLowerCase() === host?.toLowerCase())
    return
  throw new ToolError('DENIED', `pages of ${JSON.stringify(origin.slice(0, 100))} may not use this server`)
}

/** A Host header without its port, in lower case. Spec: RFC 9110, 7.2. */
function nameIn(host: string): string {
  const bare = /^\[([0-9a-f:.]+)\](?::\d*)?$/i.exec(host)?.[1] ?? host.replace(/:\d*$/, '')
  return bare.toLowerCase().replace(/\.$/, '')
}

function isOurs(name: string, names: ReadonlySet<string>): boolean {
  return isIP(name) !== 0 || /^(?:.*\.)?localhost$/.test(name) || names.has(name)
}

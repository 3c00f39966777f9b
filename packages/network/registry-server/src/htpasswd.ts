/**
 * Users and passwords as `htpasswd -B` writes them:
 *
 * ```
 * file = *( line LF )        line = name ":" hash / comment / blank
 * hash = "$2" ( "a" / "b" / "y" ) "$" cost "$" 53( salt and checksum )
 * ```
 *
 * Only bcrypt is accepted, as in distribution: the other forms of htpasswd can be broken by trying passwords.
 *
 * @module
 */
import { createHmac, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { attempt, ToolError } from '@pipelayer/errors'
import { readNamed } from '@pipelayer/sys'
import { compare } from 'bcryptjs'
import { Turns } from './turns.js'

/** The most bytes of a file of users, enough for some hundred thousand. */
const MAX_FILE = 16 * 1024 * 1024
const HASH = /^\$2[aby]\$(?:0[4-9]|1\d|2\d|3[01])\$[./A-Za-z0-9]{53}$/
/** The lowest cost of bcrypt. */
const LOWEST_COST = 4
/** The end of a hash that no password has. */
const NO_PASSWORD = '.'.repeat(53)
/** bcrypt ignores all bytes after these. */
const MAX_PASSWORD = 72
/** How many correct pairs of user and password are remembered, so that they are not computed again. */
const MAX_KNOWN = 1000
/** The most computations that wait, for all clients and for one client. More are an attack and are refused at once. */
const MAX_WAITING = { total: 64, perSource: 16 }

/** Whether a password matches a hash. */
type Compare = (password: string, hash: string) => Promise<boolean>

/** The users of a registry. The file is read again whenever it changes. */
export class Htpasswd {
  readonly #file: string
  readonly #key = randomBytes(32)
  readonly #known = new Set<string>()
  readonly #pending = new Map<string, Promise<boolean>>()
  readonly #turns = new Turns(MAX_WAITING)
  readonly #compare: Compare
  #hashes: ReadonlyMap<string, string> = new Map()
  #highestCost = 0
  #state = ''

  /**
   * @param comparing - compares a password with a hash; bcrypt's own unless given
   * @throws {ToolError} `HTPASSWD_INVALID`; of the system
   */
  constructor(file: string, comparing: Compare = compare) {
    this.#file = file
    this.#compare = comparing
    this.#refresh()
  }

  /**
   * True when an Authorization header names a user of the file, with the right password. One password is computed at a
   * time, since each takes this process tens of milliseconds or more; clients take turns. A refusal costs the same work
   * whether or not the user exists, so that its time does not tell.
   *
   * @param source - the client's address
   * @throws {ToolError} `TOOMANYREQUESTS`; `HTPASSWD_INVALID` when the file has become invalid
   */
  async accepts(header: string | undefined, source = ''): Promise<boolean> {
    this.#refresh()
    const credentials = parseBasic(header)
    if (credentials === undefined) return false
    const [name, password] = credentials
    const hash = this.#hashes.get(name)
    const pair = createHmac('sha256', this.#key)
      .update(JSON.stringify([hash, name, password]))
      .digest('base64')
    if (this.#known.has(pair)) return true
    // The many requests with which a client begins have the same password, so they share one computation.
    const computing = this.#pending.get(pair) ?? this.#turns.take(source, () => this.#compute(password, hash))
    this.#pending.set(pair, computing)
    const isRight = await computing.finally(() => this.#pending.delete(pair))
    if (!isRight) return false
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    this.#known.add(pair)
    return true
  }

  // A hash of cost N takes the work 2^N. Hashes of cost C, and then C, C + 1, ... up to N - 1, take 2^N together as
  // well.
  async #compute(password: string, hash: string | undefined): Promise<boolean> {
    const highest = this.#highestCost
    if (hash === undefined) {
      await this.#compare(password, hashOfNobody(highest))
      return false
    }
    if (await this.#compare(password, hash)) return true
    for (let cost = costOf(hash); cost < highest; cost++) await this.#compare(password, hashOfNobody(cost))
    return false
  }

  #refresh(): void {
    attempt(`read "${this.#file}"`, () => {
      const { ino, mtimeMs, size } = fs.statSync(this.#file)
      const state = `${ino} ${mtimeMs} ${size}`
      if (state === this.#state) return
      this.#hashes = parseHtpasswd(readNamed(this.#file, MAX_FILE).toString('utf8'), this.#file)
      this.#highestCost = Math.max(LOWEST_COST, ...[...this.#hashes.values()].map(costOf))
      this.#known.clear()
      this.#state = state
    })
  }
}

function costOf(hash: string): number {
  return Number(hash.slice(4, 6))
}

function hashOfNobody(cost: number): string {
  return `$2b$${String(cost).padStart(2, '0')}$${NO_PASSWORD}`
}

function parseHtpasswd(text: string, file: string): Map<string, string> {
  const hashes = new Map<string, string>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    const hash = line.slice(colon + 1).trim()
    // The message shows nothing of the line: neither the hash, nor a password that may stand there by mistake.
    if (colon < 1 || !HASH.test(hash))
      throw new ToolError(
        'HTPASSWD_INVALID',
        `cannot use "${file}" line ${index + 1}: write it with htpasswd -B`,
      )
    hashes.set(line.slice(0, colon), hash)
  }
  return hashes
}

/** Spec: RFC 7617. */
function parseBasic(header: string | undefined): readonly [name: string, password: string] | undefined {
  const encoded = /^basic +([A-Za-z0-9+/]+=*) *$/i.exec(header ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  const password = text.slice(colon + 1)
  if (colon < 0 || text.includes('\0') || Buffer.byteLength(password) > MAX_PASSWORD) return undefined
  return [text.slice(0, colon), password]
}

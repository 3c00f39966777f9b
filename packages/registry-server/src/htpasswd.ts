/**
 * Users and passwords as `htpasswd -B` writes them:
 *
 * ```
 * file = *( line LF )        line = name ":" hash / comment / blank
 * hash = "$2" ( "a" / "b" / "y" ) "$" cost "$" 53( salt and checksum )
 * ```
 *
 * Only bcrypt is taken, as by distribution: the other forms of htpasswd can be broken by trying.
 *
 * @module
 */
import { createHmac, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { attempt, ToolError } from '@pipelayer/errors'
import { compare } from 'bcryptjs'

const HASH = /^\$2[aby]\$(?:0[4-9]|1\d|2\d|3[01])\$[./A-Za-z0-9]{53}$/
/** Of no password: unknown users take as long as known ones. */
const NOBODY = '$2b$05$......................................................'.slice(0, 60)
/** bcrypt looks at no more bytes than these. */
const MAX_PASSWORD = 72
/** Pairs that were right and need not be computed again. */
const MAX_KNOWN = 1000
/** Computations that wait: more of them is an attack, and answered at once. */
const MAX_WAITING = 64

/** The users of a registry. The file is read again whenever it changes. */
export class Htpasswd {
  readonly #file: string
  readonly #key = randomBytes(32)
  readonly #known = new Set<string>()
  #hashes: ReadonlyMap<string, string> = new Map()
  #state = ''
  #waiting = 0
  #turn: Promise<unknown> = Promise.resolve()

  /** @throws {ToolError} `HTPASSWD_INVALID`; of the system */
  constructor(file: string) {
    this.#file = file
    this.#refresh()
  }

  /**
   * True when an Authorization header names a user of the file, with the right password. One password is computed at
   * a time, since each takes this process tens of milliseconds or more.
   *
   * @throws {ToolError} `TOOMANYREQUESTS`; `HTPASSWD_INVALID` when the file has been spoilt
   */
  async accepts(header: string | undefined): Promise<boolean> {
    this.#refresh()
    const credentials = parseBasic(header)
    if (credentials === undefined) return false
    const [name, password] = credentials
    const hash = this.#hashes.get(name)
    const pair = createHmac('sha256', this.#key)
      .update(JSON.stringify([hash, name, password]))
      .digest('base64')
    if (this.#known.has(pair)) return true
    const isRight = await this.#compute(password, hash ?? NOBODY)
    if (!isRight || hash === undefined) return false
    if (this.#known.size >= MAX_KNOWN) this.#known.clear()
    this.#known.add(pair)
    return true
  }

  async #compute(password: string, hash: string): Promise<boolean> {
    if (this.#waiting >= MAX_WAITING)
      throw new ToolError('TOOMANYREQUESTS', 'too many passwords are being checked: try again later')
    this.#waiting++
    const turn = this.#turn.then(() => compare(password, hash))
    this.#turn = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      this.#waiting--
    }
  }

  #refresh(): void {
    attempt(`read "${this.#file}"`, () => {
      const { ino, mtimeMs, size } = fs.statSync(this.#file)
      const state = `${ino} ${mtimeMs} ${size}`
      if (state === this.#state) return
      this.#hashes = parseHtpasswd(fs.readFileSync(this.#file, 'utf8'), this.#file)
      this.#known.clear()
      this.#state = state
    })
  }
}

function parseHtpasswd(text: string, file: string): Map<string, string> {
  const hashes = new Map<string, string>()
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    const hash = line.slice(colon + 1).trim()
    // Neither the hash nor, should it be a password put there by mistake, anything else of the line is shown.
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

import { ToolError } from '@pipelayer/errors'

/** Computes the permission bits (0 to 0o7777) of an entry from those it has. */
export type ModeChange = (mode: number, isDirectory: boolean) => number

const CLAUSE = /^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$/
const ACTION = /([-+=])([ugo]|[rwxXst]*)/g
/** The position of the three bits of each class. */
const SHIFT: Readonly<Record<string, number>> = { u: 6, g: 3, o: 0 }

/**
 * Parses the mode of `--chmod`: octal up to 07777, or symbolic as in chmod(1), with no umask.
 *
 * ```ts
 * parseMode('u+x')(0o644, false) // 0o744
 * ```
 *
 * @throws {ToolError} `CHMOD_INVALID`
 */
export function parseMode(text: string): ModeChange {
  if (/^[0-9]+$/.test(text)) {
    const mode = Number.parseInt(text, 8)
    if (!/^[0-7]+$/.test(text) || mode > 0o7777)
      throw new ToolError('CHMOD_INVALID', `--chmod=${text}: an octal mode lies between 0 and 07777`)
    return () => mode
  }
  const clauses = text.split(',').map(clause => parseClause(clause, text))
  return (mode, isDirectory) => clauses.reduce((now, clause) => clause(now, isDirectory), mode)
}

function parseClause(clause: string, text: string): ModeChange {
  const match = CLAUSE.exec(clause)
  if (!match)
    throw new ToolError(
      'CHMOD_INVALID',
      `--chmod=${text}: ${JSON.stringify(clause)} is not a mode such as u+x`,
    )
  const who = match[1] === '' || match[1]?.includes('a') ? 'ugo' : (match[1] ?? '')
  const actions = [...(match[2] ?? '').matchAll(ACTION)]
  return (mode, isDirectory) => {
    let now = mode
    for (const [, operator, what = ''] of actions) {
      const bits = bitsOf(who, what, { mode: now, isDirectory })
      if (operator === '+') now |= bits
      else if (operator === '-') now &= ~bits
      else now = (now & ~classMask(who, { isDirectory })) | bits
    }
    return now
  }
}

interface Current {
  readonly mode: number
  readonly isDirectory: boolean
}

function bitsOf(who: string, what: string, current: Current): number {
  const rwx = permission(what, current)
  let bits = 0
  for (const name of who) bits |= rwx << (SHIFT[name] ?? 0)
  if (what.includes('s')) bits |= (who.includes('u') ? 0o4000 : 0) | (who.includes('g') ? 0o2000 : 0)
  if (what.includes('t')) bits |= 0o1000
  return bits
}

function permission(what: string, { mode, isDirectory }: Current): number {
  if (/^[ugo]$/.test(what)) return (mode >> (SHIFT[what] ?? 0)) & 7
  const execute = what.includes('x') || (what.includes('X') && (isDirectory || (mode & 0o111) !== 0))
  return (what.includes('r') ? 4 : 0) | (what.includes('w') ? 2 : 0) | (execute ? 1 : 0)
}

// `=` also clears the special bits of its classes. Those of a directory are kept: chmod changes them only where the
// mode names them.
function classMask(who: string, { isDirectory }: Pick<Current, 'isDirectory'>): number {
  let mask = 0
  for (const name of who) mask |= 7 << (SHIFT[name] ?? 0)
  if (isDirectory) return mask
  return (
    mask | (who.includes('u') ? 0o4000 : 0) | (who.includes('g') ? 0o2000 : 0) | (who === 'ugo' ? 0o1000 : 0)
  )
}

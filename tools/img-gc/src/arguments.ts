import { once } from 'node:events'
import { callerOf, startInside } from '@pipelayer/containers'
import { parseDuration } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import type { RemoveAsOwner } from './sweep.js'

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1e3,
  m: 1e6,
  g: 1e9,
  t: 1e12,
  ki: 2 ** 10,
  mi: 2 ** 20,
  gi: 2 ** 30,
  ti: 2 ** 40,
}

/** So many paths fit on a command line, which has 2 MiB in all. */
const MAX_WORDS = 400

const FOLDER = 'registry-fs:'

/**
 * The folder of a registry that is to be collected in place of the store; undefined without a PLACE, or for `store:`.
 *
 * @param given - which options were given that only one kind of place has
 * @throws ToolError `PLACE_INVALID`, `USAGE`, status 2
 */
export function folderOf(
  place: string | undefined,
  given: { readonly keepBytes: boolean; readonly deleteUntagged: boolean },
): string | undefined {
  if (place === undefined || place === 'store:') {
    if (given.deleteUntagged)
      throw usage('--delete-untagged is for the folder of a registry: registry-fs:ROOT')
    return undefined
  }
  const root = place.startsWith(FOLDER) ? place.slice(FOLDER.length) : ''
  if (root === '' || root.includes(':')) {
    const message = `cannot collect ${quoted(place)}: give registry-fs:ROOT, the whole folder of a registry, or store:`
    throw new ToolError('PLACE_INVALID', message, { status: 2 })
  }
  if (given.keepBytes)
    throw usage('--keep-bytes is about the build cache, which the folder of a registry has not')
  return root
}

/** A duration as Go writes it, such as `24h` or `1h30m`, in milliseconds. @throws ToolError `USAGE`, status 2 */
export function ageOf(text: string): number {
  const found = parseDuration(text)
  if (found === undefined || found < 0n)
    throw usage(`--min-age takes a duration like 24h or 90m, got ${quoted(text)}`)
  return Number(found / 1_000_000n)
}

/** A number of bytes, perhaps with a unit of 1000 or 1024: `20GB`, `1.5GiB`. @throws ToolError `USAGE`, status 2 */
export function bytesOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const [, count, unit = ''] = /^(\d+(?:\.\d+)?) ?([kmgt]i?)?b?$/i.exec(text) ?? []
  const bytes = Math.floor(Number(count) * (UNITS[unit.toLowerCase()] ?? Number.NaN))
  if (Number.isSafeInteger(bytes)) return bytes
  throw usage(`--keep-bytes takes a number of bytes like 500MB or 20GiB, got ${quoted(text)}`)
}

/**
 * Removes trees in a user namespace with the ids of this user's builds, where files with ids of /etc/subuid are its
 * own.
 */
export function removerFor(env: Readonly<Record<string, string | undefined>>): RemoveAsOwner {
  return async trees => {
    const options = { stdin: 'ignore', stdout: 'ignore', env: definedIn(env) } as const
    for (let at = 0; at < trees.length; at += MAX_WORDS) {
      const script = 'rm -rf -- "$@" 2>/dev/null'
      try {
        const { child, entered } = startInside(
          callerOf(env),
          [script, ...trees.slice(at, at + MAX_WORDS)],
          options,
        )
        await Promise.all([once(child, 'close'), entered])
      } catch {
        // Without the programs for a user namespace the trees stay, which the caller sees.
      }
    }
  }
}

function definedIn(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}

function quoted(text: string): string {
  return JSON.stringify(text)
}

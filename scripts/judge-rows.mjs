// Reads the rows of a fixtures table.
import fs from 'node:fs'

/** The rows of an NDJSON file. Integers that a double cannot hold are returned as BigInt. */
export function readRows(file) {
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line.trim() !== '')
    .map(parseLossless)
}

const TOKEN = /"(?:\\.|[^"\\])*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g
const MARK = '\u{f8ff}integer '

/** Parses JSON, with integers outside the safe range as BigInt. */
export function parseLossless(text) {
  const marked = text.replace(TOKEN, token => (isUnsafe(token) ? JSON.stringify(MARK + token) : token))
  return JSON.parse(marked, (_, value) =>
    typeof value === 'string' && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value,
  )
}

function isUnsafe(token) {
  return /^-?\d{16,}$/.test(token) && !Number.isSafeInteger(Number(token))
}

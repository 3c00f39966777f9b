/**
 * Makes archives that try to do harm, and a folder to unpack them in.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { END_BLOCKS, encodeHeader, padding, type TarEntry } from '@pipelayer/tar'
import { readTree, type Scope } from '@pipelayer/testkit'
import { fixChecksum } from '../fuzz/mutate-tar.js'
import { type Lab, lab } from '../lab.js'

/** An entry, by default a file; or, as `raw`, bytes that are written as they are. */
export type Item =
  | Buffer
  | (Partial<Omit<TarEntry, 'name'>> & {
      readonly name: string
      readonly content?: string
      /** Writes these bytes over the header from a position on, and corrects its checksum. */
      readonly over?: readonly (readonly [at: number, bytes: string])[]
    })

/** An archive with its two end blocks. */
export function archive(items: readonly Item[]): Buffer {
  return Buffer.concat([...items.map(encoded), END_BLOCKS])
}

/** One entry, without end blocks. */
export function encoded(item: Item): Buffer {
  if (Buffer.isBuffer(item)) return item
  const { content = '', over = [], ...rest } = item
  const body = Buffer.from(content, 'latin1')
  const header = encodeHeader({
    type: 'file',
    mode: item.type === 'dir' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size: body.length,
    mtime: { seconds: 1_700_000_000, nanoseconds: 0 },
    ...rest,
  })
  const block = header.subarray(-512)
  for (const [at, bytes] of over) block.write(bytes, at, 'latin1')
  if (over.length > 0) fixChecksum(block)
  return Buffer.concat([header, body, padding(body.length)])
}

/** A PAX header with this body; with flag `L` or `K` a long name of GNU, with `g` a global PAX header. */
export function special(body: string, flag = 'x'): Buffer {
  return encoded({ name: 'special', content: body, over: [[156, flag]] })
}

/** A record of a PAX header. */
export function pax(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`
  const length = rest.length + String(rest.length + 2).length
  return `${length}${rest}`
}

export const symlink = (name: string, linkname: string): Item => ({ name, type: 'symlink', linkname })
export const hardlink = (name: string, linkname: string): Item => ({ name, type: 'hardlink', linkname })

/** `canary/`, with a file, a folder and a setuid program, must not change. The target is `a/b/target`. */
export const TARGET = 'a/b/target'

export interface Trap extends Lab {
  /** Names in the folder that are not as they were made, without the target and `except`. */
  changed(...except: readonly string[]): string[]
}

/** Makes a lab with a canary, and the layers as `0.tar`, `1.tar`, lowest first. */
export function trap(t: Scope, layers: readonly Buffer[]): Trap {
  const place = lab(t)
  place.write({ 'canary/file': 'do not touch', 'canary/dir/deep': 'do not touch', 'a/b/': '', store: '' })
  fs.rmSync(place.store)
  fs.writeFileSync(place.path('canary/run'), 'do not run', { mode: 0o4755 })
  for (const [index, bytes] of layers.entries()) fs.writeFileSync(place.path(`${index}.tar`), bytes)
  const before = readTree(place.dir)
  const changed = (...except: readonly string[]): string[] => {
    const now = readTree(place.dir, { except: [TARGET, ...except] })
    const names = [...new Set([...before.keys(), ...now.keys()])]
    // The time of the target's parent changes when the target is made.
    return names.filter(name => name !== 'a/b' && name !== '.' && now.get(name) !== before.get(name))
  }
  return { ...place, changed }
}

/** Names and types below a folder: `dir/`, `link@`, and files. */
export function listing(root: string): string[] {
  return [...readTree(root).keys()]
    .filter(name => name !== '.')
    .map(name => {
      const stat = fs.lstatSync(Buffer.from(path.join(root, name), 'latin1'))
      return `${name}${stat.isDirectory() ? '/' : stat.isSymbolicLink() ? '@' : ''}`
    })
}

export const file = (name: string, content = 'bad'): Item => ({ name, content })
export const dir = (name: string): Item => ({ name, type: 'dir' })
export const base256 = (value: bigint, width: number): string => {
  const bytes = Buffer.from(
    BigInt.asUintN(width * 8, value)
      .toString(16)
      .padStart(width * 2, '0'),
    'hex',
  )
  bytes[0] = (bytes[0] ?? 0) | 0x80
  return bytes.toString('latin1')
}
export const size = (text: string): readonly (readonly [number, string])[] => [[124, text.padEnd(12, '\0')]]
export const uid = (value: bigint): readonly (readonly [number, string])[] => [[108, base256(value, 8)]]

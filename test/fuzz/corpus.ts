/**
 * The inputs that are mutated: archives and texts made here, and those of a fixtures folder (`PIPELAYER_FIXTURES`).
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { compress, engineOf } from '@pipelayer/compress'
import { ownArchives, peerArchives } from './archives.js'

/** Larger ones only make each case slower. */
const MAX_FILE = 1 << 17

export interface Corpus {
  /** Plain archives. */
  readonly tars: readonly Buffer[]
  /** The same archives and others, compressed by gzip and zstd. */
  readonly packed: readonly Buffer[]
  /** Texts of fixtures whose names match the pattern. */
  texts(pattern: RegExp): readonly Buffer[]
}

/** @param fixtures - a folder with archives and texts at any depth, if there is one */
export async function readCorpus(fixtures: string | undefined): Promise<Corpus> {
  const files = fixtures === undefined ? [] : list(fixtures)
  const chosen = (pattern: RegExp): Buffer[] =>
    files.filter(file => pattern.test(file)).map(file => fs.readFileSync(file))
  const given = chosen(/\.tar$/)
  const made = [...ownArchives(), ...peerArchives()]
  const tars = [...made, ...given].filter(({ length }) => length <= MAX_FILE)
  const packed = [
    ...made.map(bytes => zlib.gzipSync(bytes)),
    ...(await zstdOf(made)),
    ...chosen(/\.(gz|tgz|zst)$/),
  ]
  return { tars, packed: [...packed, ...joints()].filter(({ length }) => length <= MAX_FILE), texts: chosen }
}

/** Several gzip members and zstd frames in one file, among them empty and skippable ones. */
function joints(): Buffer[] {
  const [a, empty] = [zlib.gzipSync('hello'), zlib.gzipSync('')]
  const skippable = Buffer.from('5a2a4d1803000000aabbcc', 'hex')
  return [Buffer.concat([a, empty, a]), Buffer.concat([a, Buffer.alloc(100)]), skippable, empty]
}

async function zstdOf(archives: readonly Buffer[]): Promise<Buffer[]> {
  if (!hasZstd()) return []
  const packed: Buffer[] = []
  for (const bytes of archives) {
    const parts: Buffer[] = []
    for await (const part of compress(one(bytes), { format: 'zstd' })) parts.push(Buffer.from(part))
    packed.push(Buffer.concat(parts))
  }
  return packed
}

async function* one(bytes: Buffer): AsyncGenerator<Buffer, void, void> {
  yield bytes
}

function hasZstd(): boolean {
  try {
    return engineOf('zstd') !== ''
  } catch {
    return false
  }
}

function list(dir: string): string[] {
  return (fs.readdirSync(dir, { recursive: true }) as string[])
    .sort()
    .map(name => path.join(dir, name))
    .filter(file => {
      const stat = fs.lstatSync(file)
      return stat.isFile() && stat.size <= MAX_FILE
    })
}

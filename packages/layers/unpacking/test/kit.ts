// What the tests of this package share: layers in memory, tars from lists, trees from scripts.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { type BlobSink, type PackOptions, packChanges } from '@pipelayer/packing'
import { type ChangeRecord, nameOf, showName } from '@pipelayer/records'
import { END_BLOCKS, encodeHeader, padding, type TarEntry } from '@pipelayer/tar'

/** A sink that keeps the blob, and says what became of it. */
export class MemorySink implements BlobSink {
  readonly chunks: Buffer[] = []
  state: 'open' | 'committed' | 'aborted' = 'open'

  write(chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk))
  }

  commit(): { digest: string; size: number } {
    this.state = 'committed'
    return { digest: 'sha256:0', size: this.bytes().length }
  }

  abort(): void {
    this.state = 'aborted'
  }

  bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }
}

/** The plain tar that changes become. */
export async function tarOf(
  changes: Iterable<ChangeRecord> | AsyncIterable<ChangeRecord>,
  options: PackOptions = {},
): Promise<Buffer> {
  const sink = new MemorySink()
  await packChanges(changes, () => sink, { compress: { format: 'none' }, mtimeNs: true, ...options })
  return sink.bytes()
}

/** An entry of a tar by hand: `file` unless said, its content in `content`. */
export type Item = Partial<Omit<TarEntry, 'name'>> & { readonly name: string; readonly content?: string }

/** A tar with these entries, whatever they say. */
export function handmade(items: readonly Item[]): Buffer {
  const parts = items.flatMap(({ content = '', ...item }) => {
    const body = Buffer.from(content)
    const entry: TarEntry = {
      type: 'file',
      mode: item.type === 'dir' ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      size: body.length,
      mtime: { seconds: 1700000000, nanoseconds: 0 },
      ...item,
    }
    const header = item.name === '' ? withoutName(encodeHeader(entry)) : encodeHeader(entry)
    return [header, body, padding(body.length)]
  })
  return Buffer.concat([...parts, END_BLOCKS])
}

/** An encoder writes `/` for a directory without a name; other producers write nothing. */
function withoutName(header: Buffer): Buffer {
  const block = Buffer.from(header).fill(0, 0, 100).fill(' ', 148, 156)
  const sum = block.reduce((total, byte) => total + byte, 0)
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  return block
}

/** Bytes in chunks of `size`. */
export async function* chunked(bytes: Buffer, size = bytes.length): AsyncGenerator<Buffer, void, void> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size))
}

/** Runs a shell script in a folder, made where it is missing. */
export function shell(dir: string, script: string): void {
  fs.mkdirSync(dir, { recursive: true })
  const { status, stderr } = spawnSync('bash', ['-euc', script], { cwd: dir, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${script}: ${stderr}`)
}

/** Makes folders and returns their paths. */
export function folders<const N extends readonly string[]>(
  dir: string,
  ...names: N
): { [K in keyof N]: string } {
  return names.map(name => {
    const made = path.join(dir, name)
    fs.mkdirSync(made, { recursive: true })
    return made
  }) as { [K in keyof N]: string }
}

/** A change on one line: `modify usr/bin dir (parent)`, `add b hardlink a`. */
export function line(change: ChangeRecord): string {
  const { op, entry, parent } = change
  const link = entry === undefined ? undefined : nameOf(entry, 'linkname')
  return [op, showName(nameOf(change, 'path') ?? ''), entry?.type, link, parent && '(parent)']
    .filter(word => word !== undefined)
    .join(' ')
}

/** A symlink. */
export const link = (name: string, linkname: string): Item => ({ name, type: 'symlink', linkname })

/** A hard link. */
export const hard = (name: string, linkname: string): Item => ({ name, type: 'hardlink', linkname })

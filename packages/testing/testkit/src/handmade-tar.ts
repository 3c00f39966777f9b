import { END_BLOCKS, encodeHeader, padding, type TarEntry } from '@pipelayer/tar'

/** An entry for a tar made by hand; its type is `file` unless given. */
export type Item = Partial<Omit<TarEntry, 'name'>> & { readonly name: string; readonly content?: string }

/** A tar with these entries, valid or not. */
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

/**
 * Removes the name from a header. Our encoder writes `/` for a directory without a name; other producers write nothing.
 */
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

/** A symlink. */
export const link = (name: string, linkname: string): Item => ({ name, type: 'symlink', linkname })

/** A hard link. */
export const hard = (name: string, linkname: string): Item => ({ name, type: 'hardlink', linkname })

// Archives for the tests of img-import, and a store that takes them.
import fs from 'node:fs'
import path from 'node:path'
import { archiveName } from '@pipelayer/archives'
import { REF_NAME } from '@pipelayer/layout'
import { type AnyRecord, checkRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { END_BLOCKS, encodeHeader, padding, type TarType } from '@pipelayer/tar'
import { RecordWriter, type Scope, tempDir } from '@pipelayer/testkit'
import { imgImport } from '../src/index.js'

/** The name that an archive gives its image, unless the test says another. */
export const NAME = 'docker.io/library/app:1'

export interface Entry {
  readonly name: string
  readonly content: string
  readonly type?: TarType
}

export function tar(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ name, content, type = 'file' }) => {
    const bytes = Buffer.from(content)
    const mtime = { seconds: 0, nanoseconds: 0 }
    const head = encodeHeader({
      name,
      type,
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: bytes.length,
      mtime,
      linkname: 'x',
    })
    return type === 'file' ? [head, bytes, padding(bytes.length)] : [head]
  })
  return Buffer.concat([...parts, END_BLOCKS])
}

/** Entries of all blobs of an image, and one of an index that names it. */
export function archiveOf(image: readonly AnyRecord[], annotations: object = { [REF_NAME]: NAME }): Entry[] {
  const blobs = image.map(({ digest, path: file }) => {
    return { name: archiveName(String(digest)), content: fs.readFileSync(String(file), 'utf8') }
  })
  return [...blobs, indexOf([{ image, annotations }])]
}

export function indexOf(images: readonly { image: readonly AnyRecord[]; annotations?: object }[]): Entry {
  const manifests = images.map(({ image, annotations }) => {
    const { mediaType, digest, size } = image.at(-1) as AnyRecord
    return { mediaType, digest, size, ...(annotations && { annotations }) }
  })
  return { name: 'index.json', content: JSON.stringify({ schemaVersion: 2, manifests }) }
}

export interface Lab {
  readonly store: Store
  take(
    archive: Buffer | readonly Entry[],
    options?: { tag?: string; chunk?: number; verify?: boolean },
  ): Promise<AnyRecord[]>
  readonly warnings: (string | undefined)[]
  names(): unknown[]
}

export function lab(t: Scope): Lab {
  const store = Store.open(path.join(tempDir(t, 'import'), 'store'))
  const warnings: (string | undefined)[] = []
  return {
    store,
    warnings,
    take: async (archive, { tag, verify, chunk = 1000 } = {}) => {
      const bytes = Buffer.isBuffer(archive) ? archive : tar(archive as readonly Entry[])
      const warn = (_message: string, code?: string): void => void warnings.push(code)
      const out = await collect(imgImport(chunks(bytes, chunk), { store: store.root, tag, verify, warn }))
      for (const record of out) checkRecord(record)
      return out
    },
    names: () => store.index().manifests.map(({ annotations }) => annotations?.[REF_NAME]),
  }
}

async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Buffer, void, undefined> {
  for (let at = 0; at < bytes.length; at += size) yield Buffer.from(bytes.subarray(at, at + size))
}

export const writerOf = (t: Scope): RecordWriter => new RecordWriter(tempDir(t, 'blobs'))

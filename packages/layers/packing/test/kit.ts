// Helpers that the tests of this package share: layers and blobs in memory.

import fs from 'node:fs'
import path from 'node:path'
import { BlobContents, type ListOptions, listLayer } from '@pipelayer/change-set'
import { digestOf } from '@pipelayer/digest'
import type { ChangeRecord } from '@pipelayer/records'
import { chunked } from '@pipelayer/testkit'
import { packChanges } from '../src/pack.js'
import type { BlobSink, PackOptions } from '../src/types.js'

/** A sink that keeps the blob, and records whether it was committed or aborted. */
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

/** The entries of a tar as changes. */
export async function changesOf(tar: Buffer, options: ListOptions = {}): Promise<ChangeRecord[]> {
  const all: ChangeRecord[] = []
  for await (const { change } of listLayer(chunked(tar, 700), options)) all.push(change)
  return all
}

/** Blobs in memory, with a count of how often each was opened. */
export class Blobs {
  readonly bytes = new Map<string, Buffer>()
  readonly opened: string[] = []
  readonly #temp: string

  constructor(temp: string) {
    this.#temp = temp
  }

  add(bytes: Buffer): string {
    const digest = digestOf(bytes)
    this.bytes.set(digest, bytes)
    return digest
  }

  contents(): BlobContents {
    return new BlobContents({
      open: digest => {
        this.opened.push(digest)
        const bytes = this.bytes.get(digest)
        if (bytes === undefined) throw new Error(`no blob ${digest}`)
        return chunked(bytes, 999)
      },
      tempFile: () => {
        const file = path.join(this.#temp, 'copy')
        const fd = fs.openSync(file, 'wx+')
        fs.unlinkSync(file)
        return fd
      },
    })
  }

  async pack(changes: Iterable<ChangeRecord>, order?: 'listed'): Promise<Buffer> {
    const contents = this.contents()
    try {
      return await tarOf(changes, { contents, ...(order === undefined ? {} : { order }) })
    } finally {
      await contents.close()
    }
  }
}

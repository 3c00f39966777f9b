// What the tests of listed layers share.

import fs from 'node:fs'
import path from 'node:path'
import { BlobContents, type ListedChange, type ListOptions, listLayer } from '@pipelayer/change-set'
import { digestOf } from '@pipelayer/digest'
import type { ChangeRecord } from '@pipelayer/records'
import { chunked, tarOf } from './kit.js'

/** The entries of a tar. */
export async function listed(tar: Buffer, options: ListOptions = {}): Promise<ListedChange[]> {
  const all: ListedChange[] = []
  for await (const one of listLayer(chunked(tar, 700), options)) all.push(one)
  return all
}

/** They as changes. */
export async function changesOf(tar: Buffer, options: ListOptions = {}): Promise<ChangeRecord[]> {
  return (await listed(tar, options)).map(({ change }) => change)
}

/** Blobs in memory, and how often each was opened. */
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

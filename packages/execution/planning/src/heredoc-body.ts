/**
 * Passes the contents of heredocs into steps. A short content is part of its instruction's record, a long one is a blob
 * of the store. The key of a step depends on the content alone, not on where it was kept.
 *
 * @module
 */

import { type Digest, parseDigest, verified } from '@pipelayer/digest'
import type { HeredocText, StoredBody } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import type { InlineContent } from '@pipelayer/steps'
import type { Store } from '@pipelayer/store'

/** A content of up to this many bytes is part of keys and requests. A longer one is represented by its digest. */
export const INLINE_LIMIT = 1024 * 1024

/** How many bytes a piece that cannot be cut may have: a long line, or the text of one `${...}`. */
const PIECE_LIMIT = 16 * 1024 * 1024
const NEWLINE = 0x0a

export type BlobStore = Pick<Store, 'hasBlob' | 'blobPath' | 'openBlob' | 'putBlob' | 'putBytes'>

/** The body of a heredoc: as text, or as a blob of the store. */
export interface Body extends Partial<HeredocText> {
  readonly stored?: StoredBody
  /** It was written `<<-`. In a text the tabs are removed already. */
  readonly chomp: boolean
}

export interface BodyUse {
  readonly store: BlobStore
  /** Changes the text, by expanding variables. Bytes that are not UTF-8 are lost by it. */
  readonly change?: (text: string) => string
  /** {@link INLINE_LIMIT} unless said. */
  readonly limit?: number
}

/**
 * The content that a body stands for. Only a piece of a long content is in memory at a time. If a long content is
 * changed, the result is put into the store.
 *
 * @throws {ToolError} `HEREDOC_MISSING`, `HEREDOC_TOO_WIDE`, `DIGEST_MISMATCH`, `SIZE_MISMATCH`
 */
export async function contentOf(body: Body, { store, change, limit }: BodyUse): Promise<InlineContent> {
  const longest = limit ?? INLINE_LIMIT
  if (body.stored === undefined) return placed(changedText(body, change), store, longest)
  const blob = storedBlob(body.stored, store)
  if (blob.size <= longest) {
    const text = chomped(await whole(bytesOf(blob, store)), body)
    return placed(change ? Buffer.from(change(text.toString('utf8'))) : text, store, longest)
  }
  if (!body.chomp && change === undefined) return blob
  const made = await store.putBlob(changed(bytesOf(blob, store), { chomp: body.chomp, change }))
  if (made.size > longest) return made
  return { content: (await whole(bytesOf(made, store))).toString('base64') }
}

/** The first bytes of a content. */
export async function beginningOf(content: InlineContent, length: number, store: BlobStore): Promise<Buffer> {
  if ('content' in content) return Buffer.from(content.content, 'base64').subarray(0, length)
  for await (const chunk of store.openBlob(parseDigest(content.digest))) return chunk.subarray(0, length)
  return Buffer.alloc(0)
}

/** The part of a cache key that stands for a content. It does not depend on where the content is kept. */
export function keyOfContent(
  content: InlineContent,
): Pick<StoredBody, 'digest'> | { readonly content: string } {
  return 'content' in content ? { content: content.content } : { digest: content.digest }
}

type StoredContent = Extract<InlineContent, { digest: string }>

function changedText({ content = '', contentRaw }: Body, change: BodyUse['change']): Buffer {
  const bytes = contentRaw === undefined ? Buffer.from(content) : Buffer.from(contentRaw, 'base64')
  return change === undefined ? bytes : Buffer.from(change(bytes.toString('utf8')))
}

function placed(bytes: Buffer, store: BlobStore, limit: number): InlineContent {
  return bytes.length <= limit ? { content: bytes.toString('base64') } : store.putBytes(bytes)
}

function storedBlob({ digest, size }: StoredBody, store: BlobStore): StoredContent {
  const wanted: Digest = parseDigest(digest)
  if (!store.hasBlob(wanted, size))
    throw new ToolError(
      'HEREDOC_MISSING',
      `a heredoc of ${size} bytes is not in the store: expected the blob ${digest} there; kf-parse and kf-run need the same --store`,
    )
  return { digest, size, path: store.blobPath(wanted) }
}

function bytesOf({ digest, size }: StoredBody, store: BlobStore): AsyncGenerator<Buffer> {
  return verified(store.openBlob(parseDigest(digest)) as AsyncIterable<Buffer>, {
    digest: parseDigest(digest),
    size,
  })
}

async function whole(bytes: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of bytes) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function chomped(bytes: Buffer, { chomp }: Pick<Body, 'chomp'>): Buffer {
  return chomp ? Buffer.from(bytes.toString('latin1').replace(/^\t+/gm, ''), 'latin1') : bytes
}

async function* changed(
  source: AsyncIterable<Buffer>,
  { chomp, change }: { readonly chomp: boolean; readonly change: BodyUse['change'] },
): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of source) {
    const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    const end = change === undefined ? all.lastIndexOf(NEWLINE) + 1 : cutOf(all)
    if (end > 0) yield piece(all.subarray(0, end))
    rest = all.subarray(end)
    if (rest.length > PIECE_LIMIT)
      throw new ToolError(
        'HEREDOC_TOO_WIDE',
        `a line, or one \${...}, of a heredoc in the store has more than ${PIECE_LIMIT} bytes`,
      )
  }
  if (rest.length > 0) yield piece(rest)

  function piece(bytes: Buffer): Buffer {
    const lines = chomped(bytes, { chomp })
    return change === undefined ? lines : Buffer.from(changedLines(lines.toString('utf8'), change))
  }
}

/** Changes a text line by line: to go through a megabyte character by character costs mostly garbage collection. */
function changedLines(text: string, change: (text: string) => string): string {
  let start = 0
  const lines = [...endsOf(text), text.length].map(end => {
    const line = text.slice(start, end)
    start = end
    const first = line.search(/[$\\]/)
    return first < 0 ? line : line.slice(0, first) + change(line.slice(first))
  })
  return lines.join('')
}

/** The end of the last line that is complete: no escape and no `${` continues it on the next line. */
function cutOf(bytes: Buffer): number {
  let last = 0
  for (const end of endsOf(bytes.toString('latin1'))) last = end
  return last
}

/** The positions behind those newlines that no escape and no `${` continues across. */
function* endsOf(text: string): Generator<number> {
  let depth = 0
  for (const { 0: found, index } of text.matchAll(/\\[\s\S]|\$\{|\}|\n/g)) {
    if (found === '${') depth++
    else if (found === '}') depth = Math.max(0, depth - 1)
    else if (found === '\n' && depth === 0) yield index + 1
  }
}

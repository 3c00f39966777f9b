/**
 * The names in containerd's database. Its buckets, as far as they are read:
 *
 *     v1/NAMESPACE/images/NAME/target/digest      text
 *                                     mediatype   text
 *                                     size        a signed varint of Go
 *
 * Spec: containerd 1.7 and 2.x, `metadata/buckets.go`.
 *
 * @module
 */
import fs from 'node:fs'
import { type BoltBucket, readBolt } from '@pipelayer/bolt'
import { isWellFormedDigest } from '@pipelayer/digest'
import { attempt, ToolError } from '@pipelayer/errors'
import type { StoredDescriptor } from '@pipelayer/layout'
import { openRegular } from '@pipelayer/sys'

/** The images of a namespace, by their names. */
export type Images = ReadonlyMap<string, StoredDescriptor>

const VERSION = 'v1'

/** Chooses a namespace from those that have images, in byte order. It throws where it cannot. */
export type ChooseNamespace = (withImages: readonly string[]) => string

/** What is read from a database. */
export interface Wanted {
  readonly choose: ChooseNamespace
  /** The names to look for; all without it. */
  readonly names?: readonly string[]
}

/**
 * Reads the names of one namespace, which are of one moment even if containerd writes meanwhile.
 *
 * @throws ToolError `BOLT_INVALID`, `BOLT_CHANGING`; `METADATA_INVALID`: an image has no valid digest, type or size;
 * `FILE_INVALID`; those of `choose`; those of the system as node:fs has them
 */
export function readImages(
  file: string,
  { choose, names }: Wanted,
): { readonly namespace: string; readonly images: Images } {
  const { fd } = openRegular(file)
  try {
    const read = (position: number, length: number): Buffer => readAt(fd, position, length)
    return attempt(`read "${file}"`, () =>
      readBolt(read, { name: file }, root => {
        const all = root.bucket(VERSION)
        const namespace = choose(all === undefined ? [] : withImages(all))
        return { namespace, images: imagesIn(all?.bucket(namespace)?.bucket('images'), { file, names }) }
      }),
    )
  } finally {
    fs.closeSync(fd)
  }
}

function withImages(all: BoltBucket): string[] {
  const names: string[] = []
  for (const { key, bucket } of all.entries()) {
    const first = bucket?.bucket('images')?.entries().next()
    if (first !== undefined && !first.done) names.push(key.toString())
  }
  return names
}

function imagesIn(
  bucket: BoltBucket | undefined,
  { file, names }: { readonly file: string; readonly names: readonly string[] | undefined },
): Images {
  const images = new Map<string, StoredDescriptor>()
  for (const [name, image] of bucket === undefined ? [] : bucketsIn(bucket, names))
    images.set(name, targetOf(image?.bucket('target'), { name, file }))
  return images
}

function* bucketsIn(
  bucket: BoltBucket,
  names: readonly string[] | undefined,
): Generator<readonly [name: string, image: BoltBucket | undefined], void, undefined> {
  if (names === undefined)
    for (const { key, bucket: image } of bucket.entries()) yield [key.toString(), image]
  for (const name of names ?? []) {
    const image = bucket.bucket(name)
    if (image !== undefined) yield [name, image]
  }
}

function targetOf(
  target: BoltBucket | undefined,
  { name, file }: { readonly name: string; readonly file: string },
): StoredDescriptor {
  const digest = target?.value('digest')?.toString()
  const mediaType = target?.value('mediatype')?.toString()
  const size = readVarint(target?.value('size') ?? Buffer.alloc(0))
  const wrong = (what: string): ToolError =>
    new ToolError(
      'METADATA_INVALID',
      `cannot use "${file}": image ${JSON.stringify(name)} has no valid ${what}`,
    )
  if (digest === undefined || !isWellFormedDigest(digest)) throw wrong('digest')
  if (mediaType === undefined || mediaType === '') throw wrong('media type')
  if (size === undefined || size < 0) throw wrong('size')
  return { mediaType, digest, size }
}

/** A number as Go's encoding/binary writes it: seven bits a byte, low ones first, the sign in the lowest. */
function readVarint(bytes: Buffer): number | undefined {
  let value = 0n
  for (const [index, byte] of bytes.entries()) {
    value |= BigInt(byte & 0x7f) << BigInt(7 * index)
    if (byte < 0x80) {
      const number = Number(value & 1n ? -(value >> 1n) - 1n : value >> 1n)
      return index === bytes.length - 1 && Number.isSafeInteger(number) ? number : undefined
    }
    if (index > 9) return undefined
  }
  return undefined
}

function readAt(fd: number, position: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let done = 0
  while (done < length) {
    const count = fs.readSync(fd, bytes, done, length - done, position + done)
    if (count === 0) break
    done += count
  }
  return bytes.subarray(0, done)
}

/**
 * Pages that hold keys.
 *
 * | offset | bytes | |
 * |---|---|---|
 * | 0 | 8 | the number of the page, 0 of an inline page |
 * | 8 | 2 | flags: 1 a branch, 2 a leaf |
 * | 10 | 2 | how many elements follow |
 * | 12 | 4 | how many further pages belong to this one |
 * | 16 | 16 each | the elements |
 *
 * An element of a branch: where its key is (4 bytes, from the element on), the length of the key (4), the page below
 * (8). An element of a leaf: flags, 1 for a bucket (4), where its key is (4), the lengths of the key (4) and of the value
 * (4), which follows the key.
 *
 * @module
 */
import { invalid, type Meta, type ReadAt } from './meta.js'

const HEADER = 16
const ELEMENT = 16
const BRANCH = 1
const LEAF = 2
const BUCKET = 1
/** The smallest number of a page with keys: two meta pages come first. */
const FIRST = 2n
/** No writer of many small values makes larger pages; a larger one is an attack on our memory. */
const MAX_LEAF_BYTES = 64 * 1024 * 1024
const MAX_BRANCH_BYTES = 1024 * 1024

export interface LeafElement {
  readonly isBucket: boolean
  readonly key: Buffer
  readonly value: Buffer
}

/** A leaf or a branch, whose bytes are in memory. */
export class Page {
  /** For messages. */
  readonly label: string
  readonly isLeaf: boolean
  /** The number of elements. */
  readonly count: number
  readonly #bytes: Buffer
  readonly #name: string

  /** @throws ToolError `BOLT_INVALID`: it holds no keys, or has fewer bytes than its elements take */
  constructor(bytes: Buffer, { label, name }: { readonly label: string; readonly name: string }) {
    this.label = label
    this.#bytes = bytes
    this.#name = name
    if (bytes.length < HEADER) throw this.#wrong('it is too short')
    const flags = bytes.readUInt16LE(8)
    if (flags !== BRANCH && flags !== LEAF)
      throw this.#wrong(`expected a branch or a leaf, got flags ${flags}`)
    this.isLeaf = flags === LEAF
    this.count = bytes.readUInt16LE(10)
    if (HEADER + this.count * ELEMENT > bytes.length)
      throw this.#wrong(`${this.count} elements have no room in it`)
    if (!this.isLeaf && this.count === 0) throw this.#wrong('a branch without elements')
  }

  /** The key of an element, from 0. @throws ToolError `BOLT_INVALID`: it leaves the page */
  key(index: number): Buffer {
    const at = HEADER + index * ELEMENT
    const field = this.isLeaf ? at + 4 : at
    const start = at + this.#bytes.readUInt32LE(field)
    return this.#part(start, this.#bytes.readUInt32LE(field + 4), index)
  }

  /** The page below an element of a branch. */
  below(index: number): bigint {
    return this.#bytes.readBigUInt64LE(HEADER + index * ELEMENT + 8)
  }

  /** An element of a leaf. @throws ToolError `BOLT_INVALID` */
  leaf(index: number): LeafElement {
    const at = HEADER + index * ELEMENT
    const key = this.key(index)
    const start = at + this.#bytes.readUInt32LE(at + 4) + key.length
    const value = this.#part(start, this.#bytes.readUInt32LE(at + 12), index)
    return { isBucket: (this.#bytes.readUInt32LE(at) & BUCKET) !== 0, key, value }
  }

  #part(start: number, length: number, index: number): Buffer {
    if (start + length > this.#bytes.length) throw this.#wrong(`element ${index} leaves it`)
    return this.#bytes.subarray(start, start + length)
  }

  #wrong(why: string): Error {
    return invalid(this.#name, `${this.label}: ${why}`)
  }
}

/** The pages of one state of a database. They are read when they are asked for, and not kept. */
export class Pages {
  readonly name: string
  readonly #read: ReadAt
  readonly #meta: Meta
  /** The bucket that each page was read for. */
  readonly #owners = new Map<bigint, string>()

  constructor(read: ReadAt, meta: Meta, name: string) {
    this.#read = read
    this.#meta = meta
    this.name = name
  }

  /**
   * Reads a page for a bucket. A page belongs to one bucket: a file in which many buckets share pages would cost far more
   * time than its size.
   *
   * @param owner - the elements that lead to the bucket
   * @throws ToolError `BOLT_INVALID`; those of the function that reads
   */
  page(id: bigint, owner: string): Page {
    const { pageSize, pageCount } = this.#meta
    const label = `page ${id}`
    if (id < FIRST || id >= pageCount)
      throw this.#wrong(label, `there are pages ${FIRST} to ${pageCount - 1n}`)
    const known = this.#owners.get(id)
    if (known !== undefined && known !== owner) throw this.#wrong(label, 'two buckets name it')
    this.#owners.set(id, owner)
    const head = this.#bytes(id, pageSize)
    const own = head.readBigUInt64LE(0)
    if (own !== id) throw this.#wrong(label, `it says that it is page ${own}`)
    const overflow = head.readUInt32LE(12)
    if (overflow === 0) return new Page(head, { label, name: this.name })
    const size = (overflow + 1) * pageSize
    const limit = head.readUInt16LE(8) === LEAF ? MAX_LEAF_BYTES : MAX_BRANCH_BYTES
    if (size > limit) throw this.#wrong(label, `${size} bytes are more than ${limit}`)
    if (id + BigInt(overflow) >= pageCount) throw this.#wrong(label, 'it goes on behind the last page')
    return new Page(this.#bytes(id, size), { label, name: this.name })
  }

  #bytes(id: bigint, size: number): Buffer {
    const position = id * BigInt(this.#meta.pageSize)
    const bytes = position <= Number.MAX_SAFE_INTEGER ? this.#read(Number(position), size) : Buffer.alloc(0)
    if (bytes.length < size) throw this.#wrong(`page ${id}`, 'the file ends before its end')
    return bytes
  }

  #wrong(label: string, why: string): Error {
    return invalid(this.name, `${label}: ${why}`)
  }
}

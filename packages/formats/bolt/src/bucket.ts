import { invalid } from './meta.js'
import { Page, type Pages } from './pages.js'

/** How many pages may lie above each other: far more than a database of any size has. */
const MAX_DEPTH = 24
/** The head of a bucket's value: its root page (8 bytes), a sequence (8). */
const HEAD = 16

/** An entry of a bucket: a key with its value, or with the bucket below it. */
export type BoltEntry =
  | { readonly key: Buffer; readonly value: Buffer; readonly bucket?: undefined }
  | { readonly key: Buffer; readonly value?: undefined; readonly bucket: BoltBucket }

/** Where the keys of a bucket are. */
export interface BucketRoot {
  readonly pages: Pages
  /** The elements that lead to the bucket, which tell buckets apart. */
  readonly owner: string
  /** Its root page. A small bucket without buckets is one page inside the value of its parent. */
  readonly root: bigint | Page
}

/** A bucket: keys in byte order. Every method throws ToolError `BOLT_INVALID` for what is damaged or hostile. */
export class BoltBucket {
  readonly #pages: Pages
  readonly #owner: string
  readonly #root: bigint | Page

  /** @internal */
  constructor({ pages, owner, root }: BucketRoot) {
    this.#pages = pages
    this.#owner = owner
    this.#root = root
  }

  /**
   * All entries, in the order of their keys. Memory: the pages from the root down to one leaf, at most 88 MiB. Keys and
   * values lie in these pages: copy what is kept for long.
   */
  *entries(): Generator<BoltEntry, void, undefined> {
    const seen = new Set<bigint>()
    const way: { readonly page: Page; next: number }[] = [{ page: this.#top(), next: 0 }]
    let last: Buffer | undefined
    for (let place = way.at(-1); place !== undefined; place = way.at(-1)) {
      const { page, next } = place
      if (next === page.count) {
        way.pop()
        continue
      }
      place.next++
      if (!page.isLeaf) {
        const id = page.below(next)
        if (seen.has(id)) throw this.#wrong(`page ${id} is named twice`)
        seen.add(id)
        way.push({ page: this.#below(id, way.length), next: 0 })
        continue
      }
      const entry = this.#entry(page, next)
      if (last !== undefined && last.compare(entry.key) >= 0)
        throw this.#wrong(`${page.label}: its keys are not in order`)
      last = entry.key
      yield entry
    }
  }

  /** The bucket of a name in this one; undefined if there is none. */
  bucket(name: string): BoltBucket | undefined {
    return this.#find(Buffer.from(name))?.bucket
  }

  /** The value of a key; undefined if there is none. */
  value(key: string): Buffer | undefined {
    return this.#find(Buffer.from(key))?.value
  }

  #find(key: Buffer): BoltEntry | undefined {
    let page = this.#top()
    for (let depth = 1; !page.isLeaf; depth++) {
      const after = firstAfter(page, key)
      page = this.#below(page.below(Math.max(after - 1, 0)), depth)
    }
    const index = firstAfter(page, key) - 1
    return index >= 0 && page.key(index).equals(key) ? this.#entry(page, index) : undefined
  }

  #top(): Page {
    return typeof this.#root === 'bigint' ? this.#pages.page(this.#root, this.#owner) : this.#root
  }

  #below(id: bigint, depth: number): Page {
    if (depth >= MAX_DEPTH) throw this.#wrong(`more than ${MAX_DEPTH} pages lie above page ${id}`)
    return this.#pages.page(id, this.#owner)
  }

  #entry(page: Page, index: number): BoltEntry {
    const { isBucket, key, value } = page.leaf(index)
    return isBucket ? { key, bucket: this.#nested(value, { page, index }) } : { key, value }
  }

  #nested(
    value: Buffer,
    { page: { label }, index }: { readonly page: Page; readonly index: number },
  ): BoltBucket {
    const owner = `${this.#owner}/${label}.${index}`
    if (value.length < HEAD) throw this.#wrong(`${label}: a bucket in it is too short`)
    const id = value.readBigUInt64LE(0)
    const root = id === 0n ? this.#inline(value.subarray(HEAD), label) : id
    return new BoltBucket({ pages: this.#pages, owner, root })
  }

  #inline(bytes: Buffer, label: string): Page {
    const page = new Page(bytes, { label: `a bucket in ${label}`, name: this.#pages.name })
    // The pages below an inline branch would have no limit to their depth.
    if (!page.isLeaf) throw this.#wrong(`${page.label}: expected a leaf, got a branch`)
    return page
  }

  #wrong(why: string): Error {
    return invalid(this.#pages.name, why)
  }
}

/** The first element whose key is greater; the number of elements if none is. */
function firstAfter(page: Page, key: Buffer): number {
  let low = 0
  for (let high = page.count; low < high; ) {
    const middle = (low + high) >> 1
    if (page.key(middle).compare(key) > 0) high = middle
    else low = middle + 1
  }
  return low
}

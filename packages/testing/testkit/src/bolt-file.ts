/** What a database holds: values, and buckets in buckets. */
export interface BoltTree {
  readonly [key: string]: Buffer | string | BoltTree
}

export interface BoltFileOptions {
  readonly pageSize?: number
  /** How many elements a page has at most, so that small trees get branches. */
  readonly perPage?: number
  /** The number of the newest transaction. */
  readonly transaction?: bigint
}

interface Element {
  readonly key: Buffer
  /** The value of a leaf. */
  readonly value: Buffer
  readonly flags: number
  /** The page below, of a branch. */
  readonly below?: bigint
}

const HEADER = 16
const ELEMENT = 16

/** The bytes of a bolt database, for tests of readers. */
export function boltFile(tree: BoltTree, options: BoltFileOptions = {}): Buffer {
  const { pageSize = 4096, perPage = Number.POSITIVE_INFINITY, transaction = 2n } = options
  const writer = new Writer(pageSize, perPage)
  const root = writer.bucket(tree)
  const metas = [transaction, transaction - 1n].sort((a, b) => Number((a % 2n) - (b % 2n)))
  const [first, second] = metas.map((number, index) => writer.meta({ number, index, root }))
  return Buffer.concat([first ?? Buffer.alloc(0), second ?? Buffer.alloc(0), ...writer.pages])
}

/** FNV-1a of 64 bits, the checksum of a meta page. */
export function boltChecksum(bytes: Uint8Array): bigint {
  let hash = 0xcbf29ce484222325n
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  return hash
}

class Writer {
  /** From page 2 on, which is the list of free pages. */
  readonly pages: Buffer[] = []
  #count = 2n
  readonly #pageSize: number
  readonly #perPage: number

  constructor(pageSize: number, perPage: number) {
    this.#pageSize = pageSize
    this.#perPage = perPage
    this.#add(0x10, [])
  }

  meta({ number, index, root }: { number: bigint; index: number; root: bigint }): Buffer {
    const page = Buffer.alloc(this.#pageSize)
    page.writeBigUInt64LE(BigInt(index), 0)
    page.writeUInt16LE(4, 8)
    page.writeUInt32LE(0xed0cdaed, 16)
    page.writeUInt32LE(2, 20)
    page.writeUInt32LE(this.#pageSize, 24)
    page.writeBigUInt64LE(root, 32)
    page.writeBigUInt64LE(2n, 48)
    page.writeBigUInt64LE(this.#count, 56)
    page.writeBigUInt64LE(number, 64)
    page.writeBigUInt64LE(boltChecksum(page.subarray(16, 72)), 72)
    return page
  }

  /** Writes the pages of a bucket, and returns its root. */
  bucket(tree: BoltTree): bigint {
    let level = this.#spread(2, this.#elements(tree))
    while (level.length > 1) level = this.#spread(1, level)
    return level[0]?.below ?? 0n
  }

  #elements(tree: BoltTree): Element[] {
    const elements = Object.entries(tree).map(([name, value]): Element => {
      const key = Buffer.from(name)
      if (typeof value === 'string') return { key, value: Buffer.from(value), flags: 0 }
      if (Buffer.isBuffer(value)) return { key, value, flags: 0 }
      return { key, value: this.#nested(value), flags: 1 }
    })
    return elements.sort((a, b) => a.key.compare(b.key))
  }

  #nested(tree: BoltTree): Buffer {
    const head = Buffer.alloc(16)
    const isPlain = Object.values(tree).every(value => typeof value === 'string' || Buffer.isBuffer(value))
    if (isPlain) {
      const inline = pageOf(2, this.#elements(tree))
      if (inline.length <= this.#pageSize / 4) return Buffer.concat([head, inline])
    }
    head.writeBigUInt64LE(this.bucket(tree), 0)
    return head
  }

  #spread(flags: number, elements: readonly Element[]): Element[] {
    const above: Element[] = []
    let page: Element[] = []
    const end = (): void => {
      const below = this.#add(flags, page)
      above.push({ key: page[0]?.key ?? Buffer.alloc(0), value: Buffer.alloc(0), flags: 0, below })
      page = []
    }
    for (const element of elements) {
      const isFull = page.length >= this.#perPage || pageOf(flags, [...page, element]).length > this.#pageSize
      if (page.length > 0 && isFull) end()
      page.push(element)
    }
    end()
    return above
  }

  #add(flags: number, elements: readonly Element[]): bigint {
    const id = this.#count
    const content = pageOf(flags, elements)
    const count = Math.ceil(content.length / this.#pageSize)
    const page = Buffer.concat([content, Buffer.alloc(count * this.#pageSize - content.length)])
    page.writeBigUInt64LE(id, 0)
    page.writeUInt32LE(count - 1, 12)
    this.pages.push(page)
    this.#count += BigInt(count)
    return id
  }
}

function pageOf(flags: number, elements: readonly Element[]): Buffer {
  const head = Buffer.alloc(HEADER + elements.length * ELEMENT)
  head.writeUInt16LE(flags, 8)
  head.writeUInt16LE(elements.length, 10)
  let end = head.length
  for (const [index, { key, value, flags: kind, below }] of elements.entries()) {
    const at = HEADER + index * ELEMENT
    if (below === undefined) {
      head.writeUInt32LE(kind, at)
      head.writeUInt32LE(end - at, at + 4)
      head.writeUInt32LE(key.length, at + 8)
      head.writeUInt32LE(value.length, at + 12)
    } else {
      head.writeUInt32LE(end - at, at)
      head.writeUInt32LE(key.length, at + 4)
      head.writeBigUInt64LE(below, at + 8)
    }
    end += key.length + value.length
  }
  return Buffer.concat([head, ...elements.flatMap(({ key, value }) => [key, value])])
}

/**
 * Mutates bytes without regard to their meaning.
 *
 * @module
 */
import type { Random } from './random.js'
import type { Mutator } from './target.js'

const BLOCK = 512
const INTERESTING = [0, 1, 0x0a, 0x20, 0x2e, 0x2f, 0x30, 0x37, 0x39, 0x7f, 0x80, 0xff]

function copied(input: Buffer, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(input)
  if (bytes.length > 0) change(bytes)
  return bytes
}

const flipBit: Mutator = (input, random) =>
  copied(input, bytes => {
    const at = random.below(bytes.length)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8))
  })

const setBytes: Mutator = (input, random) =>
  copied(input, bytes => {
    const { start, end } = random.range(bytes.length)
    const last = Math.min(end, start + 16)
    for (let at = start; at < last; at++)
      bytes[at] = random.oneIn(2) ? random.pick(INTERESTING) : random.below(256)
  })

const remove: Mutator = (input, random) => {
  const { start, end } = random.range(input.length)
  return Buffer.concat([input.subarray(0, start), input.subarray(end)])
}

const repeat: Mutator = (input, random) => {
  const { start, end } = random.range(input.length)
  const times = 2 + random.below(random.oneIn(4) ? 2000 : 4)
  const part = input.subarray(start, Math.min(end, start + Math.ceil((1 << 17) / times)))
  return Buffer.concat([input.subarray(0, start), ...Array<Buffer>(times).fill(part), input.subarray(end)])
}

const truncate: Mutator = (input, random) => input.subarray(0, random.below(input.length + 1))

const splice: Mutator = (input, random, others) => {
  const other = random.pick(others)
  return Buffer.concat([
    input.subarray(0, random.below(input.length + 1)),
    other.subarray(random.below(other.length + 1)),
  ])
}

const join: Mutator = (input, random, others) => Buffer.concat([input, random.pick(others)])

/** The mutators for every format. */
export const byteMutators: readonly Mutator[] = [
  flipBit,
  flipBit,
  setBytes,
  setBytes,
  remove,
  repeat,
  truncate,
  splice,
  join,
]

const removeBlocks: Mutator = (input, random) => {
  const { start, end } = blocks(input, random)
  return Buffer.concat([input.subarray(0, start), input.subarray(end)])
}

const repeatBlocks: Mutator = (input, random) => {
  const { start, end } = blocks(input, random)
  return Buffer.concat([input.subarray(0, end), input.subarray(start)])
}

const swapBlocks: Mutator = (input, random) => {
  const [a, b] = [blocks(input, random), blocks(input, random)].sort((x, y) => x.start - y.start)
  if (a === undefined || b === undefined || a.end > b.start) return input
  const part = (start: number, end?: number): Buffer => input.subarray(start, end)
  return Buffer.concat([
    part(0, a.start),
    part(b.start, b.end),
    part(a.end, b.start),
    part(a.start, a.end),
    part(b.end),
  ])
}

const spliceBlocks: Mutator = (input, random, others) => {
  const other = random.pick(others)
  const [from, to] = [blocks(other, random), blocks(input, random)]
  return Buffer.concat([
    input.subarray(0, to.start),
    other.subarray(from.start, from.end),
    input.subarray(to.start),
  ])
}

/**
 * The mutators for formats made of blocks: they remove, repeat and swap whole blocks, and insert blocks of other
 * inputs.
 */
export const blockMutators: readonly Mutator[] = [removeBlocks, repeatBlocks, swapBlocks, spliceBlocks]

function blocks(input: Buffer, random: Random): { start: number; end: number } {
  const { start, end } = random.range(Math.max(1, Math.floor(input.length / BLOCK)))
  return { start: start * BLOCK, end: end * BLOCK }
}

/**
 * Which compressions there are, how a user names them and how bytes show them.
 *
 * @module
 */
import { unknown } from './errors.js'

/** The compressions that we write layers with. */
export type CompressionFormat = 'gzip' | 'zstd' | 'none'

/**
 * A library that compresses in place of the usual one: `libisal` is the system's ISA-L, five times as fast as zlib for
 * output a tenth larger; `libdeflate` gives output a little smaller than zlib's in three quarters of the time;
 * `libzstd` is the system's, also where Node has its own. It is used only where it is asked for, never because it is
 * installed.
 */
export type Engine = 'libisal' | 'libdeflate' | 'libzstd'

type GzipEngine = Exclude<Engine, 'libzstd'>

/** The formats that {@link detectCompression} tells apart. */
export type DetectedCompression = CompressionFormat | 'bzip2' | 'xz'

export interface Compression {
  readonly format: CompressionFormat
  readonly level: number
}

/** Bytes from the start that {@link detectCompression} looks at. */
export const MAGIC_SIZE = 10

interface Levels {
  readonly min: number
  readonly max: number
  readonly usual: number
}

/**
 * gzip 4: Go's compressor at its default, which umoci and Docker use, gives as much (132.4 MB of a node_modules tree of
 * 466 MB, ours 131.5), and level 6 would save 4 % for 1.5 times the time. zstd 3 is the zstd program's.
 * zstd above 22 does not exist, and up to 22 a reader with a window of 128 MiB can read it.
 */
const LEVELS: Readonly<Record<CompressionFormat | GzipEngine, Levels>> = {
  gzip: { min: 0, max: 9, usual: 4 },
  zstd: { min: 1, max: 22, usual: 3 },
  none: { min: 0, max: 0, usual: 0 },
  /** Level 3 takes twice the time of 2 to save 5 %. */
  libisal: { min: 0, max: 3, usual: 2 },
  /** Level 5 takes a quarter more time to save 2 %. */
  libdeflate: { min: 1, max: 12, usual: 4 },
}

/** The table's key for the levels of a format and an engine. */
function levelsOf(format: CompressionFormat, engine: Engine | undefined): CompressionFormat | GzipEngine {
  return engine === undefined || engine === 'libzstd' ? format : engine
}

/**
 * Reads `gzip`, `gzip:9`, `zstd`, `zstd:19`, `none`.
 *
 * @throws ToolError COMPRESSION_UNKNOWN, status 2: a command line names no such compression or level.
 */
export function parseCompression(text: string, engine?: Engine): Compression {
  const match = /^(gzip|zstd|none)(?::(\d{1,2}))?$/.exec(text)
  if (match === null) {
    throw unknown(`compression ${JSON.stringify(text)} is none of gzip[:0-9], zstd[:1-22], none`)
  }
  const format = match[1] as CompressionFormat
  checkEngine(format, engine)
  const level = match[2] === undefined ? defaultLevel(format, engine) : Number(match[2])
  checkLevel(format, level, engine)
  return { format, level }
}

/** The level that is used where none is asked for. */
export function defaultLevel(format: CompressionFormat, engine?: Engine): number {
  return LEVELS[levelsOf(format, engine)].usual
}

/** @throws ToolError COMPRESSION_UNKNOWN, status 2, where the engine does not have this format */
export function checkEngine(format: CompressionFormat, engine: Engine | undefined): void {
  if (engine !== undefined && format !== (engine === 'libzstd' ? 'zstd' : 'gzip'))
    throw unknown(`${engine} makes no ${format} layers`)
}

/** @throws ToolError COMPRESSION_UNKNOWN, status 2 */
export function checkLevel(format: CompressionFormat, level: number, engine?: Engine): void {
  const name = levelsOf(format, engine)
  const { min, max } = LEVELS[name]
  if (!Number.isInteger(level) || level < min || level > max) {
    throw unknown(`${name} level ${level} is not from ${min} to ${max}`)
  }
}

/**
 * The compression that the first {@link MAGIC_SIZE} bytes show; `none` where they show none.
 *
 * gzip and zstd are recognised as Docker does it, skippable zstd frames included. For bzip2 more than `BZh` is
 * compared, since the name of the first file in a plain tar may begin with that.
 */
export function detectCompression(head: Buffer): DetectedCompression {
  const hex = head.toString('hex', 0, MAGIC_SIZE)
  if (hex.startsWith('1f8b08')) return 'gzip'
  if (/^28b52ffd|^5[0-9a-f]2a4d18/.test(hex)) return 'zstd'
  if (hex.startsWith('fd377a585a00')) return 'xz'
  // "BZh", block size, then the magic of a block or of the end.
  if (/^425a683[1-9](314159265359|177245385090)/.test(hex)) return 'bzip2'
  return 'none'
}

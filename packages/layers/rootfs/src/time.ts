/**
 * Times of files.
 *
 * @module
 */
import type { TimeSpec } from '@pipelayer/sys'

const NANO = 1_000_000_000n

/** Nanoseconds since 1970, also before, as utimensat takes them: rounded down to seconds. */
export function timeOf(ns: bigint): TimeSpec {
  const nanoseconds = ((ns % NANO) + NANO) % NANO
  return { seconds: Number((ns - nanoseconds) / NANO), nanoseconds: Number(nanoseconds) }
}

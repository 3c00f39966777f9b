/**
 * Times of files.
 *
 * @module
 */
import type { TimeSpec } from '@pipelayer/sys'

const NANO = 1_000_000_000n

/** Seconds and nanoseconds of a time, rounded down. */
export function timeOf(ns: bigint): TimeSpec {
  const nanoseconds = ((ns % NANO) + NANO) % NANO
  return { seconds: Number((ns - nanoseconds) / NANO), nanoseconds: Number(nanoseconds) }
}

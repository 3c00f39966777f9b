import { checkRecord } from './parse.js'
import type { AnyRecord } from './types.js'

/** One stage of a pipe: records in, records out. Every tool is one, once its options are bound. */
export type Stage = (records: AsyncIterable<AnyRecord>) => AsyncIterable<AnyRecord>

/**
 * Joins stages inside one process: `pipe(kfParse(options), r => kfRun(r, options), r => ovlDiff(r))`.
 *
 * The records are those that the same programs would exchange through pipes, without `end` and `error`: here
 * completion is the end of the iteration, and failure is what it throws. Between stages every record is held to its
 * schema, as at the edge of a process.
 */
export function pipe(
  source: AsyncIterable<AnyRecord>,
  ...stages: readonly Stage[]
): AsyncIterable<AnyRecord> {
  return stages.reduce((records, stage) => stage(checked(records)), source)
}

/** All records of a stream, in an array. For short streams: memory grows with it. */
export async function collect(records: AsyncIterable<AnyRecord>): Promise<AnyRecord[]> {
  const all: AnyRecord[] = []
  for await (const record of records) all.push(record)
  return all
}

async function* checked(records: AsyncIterable<AnyRecord>): AsyncGenerator<AnyRecord, void, void> {
  for await (const record of records) yield checkRecord(record)
}

import type { Writable } from 'node:stream'
import { visibleJson } from '@pipelayer/errors'

/** One line of a program's log, for `--log-format json`. */
export interface LogLine {
  readonly level: 'error' | 'warning' | 'info' | 'output'
  readonly tool: string
  readonly message: string
  readonly code?: string
  /** What wrote an `output`, such as `Dockerfile:3`. */
  readonly from?: string
}

/** Writes log lines as NDJSON on `output`, through the ndjson package. Loaded only when it is asked for. */
export async function logWriter(output: Writable): Promise<(line: LogLine) => void> {
  const { stringify } = (await import('ndjson')).default
  const serialiser = stringify()
  // JSON escapes the first 32 control characters and no others.
  serialiser.on('data', text => output.write(visibleJson(String(text))))
  return line => serialiser.write(line)
}

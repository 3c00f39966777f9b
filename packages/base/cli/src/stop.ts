import { ToolError } from '@pipelayer/errors'
import { isAvailable, pollGone } from '@pipelayer/sys'

/** Why a program stops before its work is done. */
export interface Stop {
  /** 130 SIGINT, 143 SIGTERM, 141 the reader closed the pipe. */
  readonly status: 130 | 141 | 143
  /** `STOPPED` for a signal, `EPIPE` for a reader that closed the pipe. Neither is a fault of the input. */
  readonly error: ToolError
}

/** How often the watch checks that the reader of stdout is still there. */
const POLL_MS = 1000
/** How often a blank line is written to find that out where poll(2) cannot be called. */
const BLANK_LINE_MS = 2000

/**
 * Calls `stop` when a signal asks for it or the reader of stdout has closed the pipe. Returns a function that ends the
 * watch.
 *
 * A reader that leaves is otherwise noticed only at the next write, and a RUN step may take an hour.
 */
export function watchForStop(stdout: NodeJS.WriteStream, stop: (why: Stop) => void): () => void {
  const interrupted = (): void => stop({ status: 130, error: ended('SIGINT') })
  const terminated = (): void => stop({ status: 143, error: ended('SIGTERM') })
  const gone = (): void => stop({ status: 141, error: new ToolError('EPIPE', 'the reader closed the pipe') })
  const onError = (error: NodeJS.ErrnoException): void => {
    if (error.code === 'EPIPE') gone()
  }
  process.once('SIGINT', interrupted).once('SIGTERM', terminated)
  stdout.on('error', onError)
  const timer = watchReader(stdout, gone)
  return () => {
    process.off('SIGINT', interrupted).off('SIGTERM', terminated)
    clearInterval(timer)
  }
}

function watchReader(stdout: NodeJS.WriteStream, gone: () => void): NodeJS.Timeout {
  // The first check comes after a second, so that short runs never pay for loading `@pipelayer/sys`.
  let blank = 0
  const timer = setInterval(() => {
    if (isAvailable()) {
      if (pollGone(1)) gone()
    } else if (++blank * POLL_MS >= BLANK_LINE_MS && !stdout.isTTY) {
      blank = 0
      stdout.write('\n')
    }
  }, POLL_MS)
  return timer.unref()
}

function ended(signal: string): ToolError {
  return new ToolError('STOPPED', `ended by ${signal}`)
}

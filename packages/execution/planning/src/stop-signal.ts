import { ToolError } from '@pipelayer/errors'

const NAMES = new Set(
  [
    ...[
      'ABRT',
      'ALRM',
      'BUS',
      'CHLD',
      'CLD',
      'CONT',
      'FPE',
      'HUP',
      'ILL',
      'INT',
      'IO',
      'IOT',
      'KILL',
      'PIPE',
    ],
    ...[
      'POLL',
      'PROF',
      'PWR',
      'QUIT',
      'SEGV',
      'STKFLT',
      'STOP',
      'SYS',
      'TERM',
      'TRAP',
      'TSTP',
      'TTIN',
      'TTOU',
    ],
    ...['URG', 'USR1', 'USR2', 'VTALRM', 'WINCH', 'XCPU', 'XFSZ', 'RTMIN', 'RTMAX'],
  ].concat(
    Array.from({ length: 15 }, (_, index) => `RTMIN+${index + 1}`),
    Array.from({ length: 14 }, (_, index) => `RTMAX-${index + 1}`),
  ),
)
const NUMBER = /^[+-]?\d+$/
const LARGEST = 2n ** 63n

/**
 * Checks a signal as BuildKit does: it may be the name of a Linux signal, in any case, with or without `SIG`, or any
 * number except 0. Whether a number is a signal depends on the machine that runs the container.
 *
 * @throws {@link ToolError} `SIGNAL_INVALID`
 */
export function checkStopSignal(signal: string): string {
  const isKnown = NUMBER.test(signal)
    ? isNumber(BigInt(signal.replace(/^\+/, '')))
    : NAMES.has(signal.toUpperCase().replace(/^SIG/, ''))
  if (!isKnown) throw new ToolError('SIGNAL_INVALID', `${JSON.stringify(signal)} is no signal`)
  return signal
}

function isNumber(value: bigint): boolean {
  return value !== 0n && value >= -LARGEST && value < LARGEST
}

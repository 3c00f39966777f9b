/**
 * HEALTHCHECK.
 *
 *     HEALTHCHECK NONE
 *     HEALTHCHECK [--interval=D] [--timeout=D] [--start-period=D] [--start-interval=D] [--retries=N] CMD command
 *
 * @module
 */

import { parseDuration } from './duration.js'
import { flagValues } from './flag-values.js'
import type { HealthcheckInstruction } from './instruction.js'
import type { Subject } from './subject.js'

/** The shortest duration that the engine takes: one millisecond. */
const SHORTEST_NS = 1_000_000n

/** Retries are a 32-bit integer in BuildKit. */
const MOST_RETRIES = 2_147_483_647

export function interpretHealthcheck(subject: Subject): HealthcheckInstruction {
  const [type = '', ...command] = subject.needSome()
  const flags = flagValues(subject, {
    interval: 'text',
    timeout: 'text',
    'start-period': 'text',
    'start-interval': 'text',
    retries: 'text',
  })
  const test = readTest(subject, type, command)
  const none = test[0] === 'NONE'
  const duration = (flag: 'interval' | 'timeout' | 'start-period' | 'start-interval'): number =>
    none ? 0 : readDuration(subject, flag, flags[flag])
  return {
    kind: 'healthcheck',
    test,
    intervalNs: duration('interval'),
    timeoutNs: duration('timeout'),
    startPeriodNs: duration('start-period'),
    startIntervalNs: duration('start-interval'),
    retries: none ? 0 : readRetries(subject, flags.retries),
  }
}

function readTest(subject: Subject, type: string, command: readonly string[]): readonly string[] {
  switch (type.toUpperCase()) {
    case 'NONE':
      return command.length === 0 ? ['NONE'] : subject.fail('HEALTHCHECK NONE takes no arguments')
    case 'CMD':
      if (command.length === 0) return subject.fail('HEALTHCHECK CMD needs a command')
      return subject.fields.form === 'json' ? ['CMD', ...command] : ['CMD-SHELL', command.join(' ')]
    default:
      return subject.fail(`HEALTHCHECK ${subject.quote(type)} is neither CMD nor NONE`, type)
  }
}

function readDuration(subject: Subject, flag: string, value: string | undefined): number {
  if (value === undefined || value === '') return 0
  const length = parseDuration(value)
  if (length === undefined) return subject.fail(`--${flag}=${value} is no duration like 1m30s`, value)
  if (length !== 0n && length < SHORTEST_NS) return subject.fail(`--${flag}=${value} is less than 1ms`, value)
  // A larger number would not be exact in the JSON of the config.
  if (length > Number.MAX_SAFE_INTEGER) return subject.fail(`--${flag}=${value} is more than 104 days`, value)
  return Number(length)
}

function readRetries(subject: Subject, value: string | undefined): number {
  if (value === undefined || value === '') return 0
  const count = /^[+-]?\d+$/.test(value) ? Number(value) : Number.NaN
  if (count >= 0 && count <= MOST_RETRIES) return count
  return subject.fail(`--retries=${value} is no number from 0 to ${MOST_RETRIES}`, value)
}

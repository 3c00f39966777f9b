/**
 * Times for people, in the words of Docker's command line.
 *
 * @module
 */

const MINUTE = 60
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** From how many seconds on a unit is used, and its length in seconds; the largest first. */
const SPANS: readonly [from: number, seconds: number, unit: string][] = [
  [2 * 365 * DAY, 365 * DAY, 'years'],
  [2 * 30 * DAY, 30 * DAY, 'months'],
  [2 * 7 * DAY, 7 * DAY, 'weeks'],
  [2 * DAY, DAY, 'days'],
]

/**
 * How long ago a time was, in one unit: `3 weeks ago`. A time in the future is `Less than a second ago`; what is no time
 * stays as it is.
 */
export function timeAgo(time: string, now: Date): string {
  const seconds = Math.floor((now.getTime() - Date.parse(time)) / 1000)
  return Number.isNaN(seconds) ? time : `${spanOf(seconds)} ago`
}

function spanOf(seconds: number): string {
  if (seconds < 1) return 'Less than a second'
  if (seconds < MINUTE) return seconds === 1 ? '1 second' : `${seconds} seconds`
  if (seconds < 2 * MINUTE) return 'About a minute'
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} minutes`
  const hours = Math.round(seconds / HOUR)
  if (hours <= 1) return 'About an hour'
  const span = SPANS.find(([from]) => seconds >= from)
  return span === undefined ? `${hours} hours` : `${Math.floor(seconds / span[1])} ${span[2]}`
}

import t from 'tap'
import { timeAgo } from '../src/index.js'

t.test('times', async t => {
  const now = new Date('2024-06-15T12:00:00Z')
  const seconds = (count: number): string => new Date(now.getTime() - count * 1000).toISOString()
  const rows: readonly [time: string, text: string][] = [
    [seconds(-5), 'Less than a second ago'],
    [seconds(0), 'Less than a second ago'],
    [seconds(1), '1 second ago'],
    [seconds(59), '59 seconds ago'],
    [seconds(119), 'About a minute ago'],
    [seconds(120), '2 minutes ago'],
    [seconds(3600), 'About an hour ago'],
    [seconds(47 * 3600), '47 hours ago'],
    [seconds(48 * 3600), '2 days ago'],
    [seconds(15 * 86400), '2 weeks ago'],
    [seconds(61 * 86400), '2 months ago'],
    [seconds(800 * 86400), '2 years ago'],
    ['no time', 'no time'],
  ]
  for (const [time, text] of rows) t.equal(timeAgo(time, now), text)
})

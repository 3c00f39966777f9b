// The output of a step, line by line.

import t from 'tap'
import { LineSplitter } from '../src/step-output.js'

t.test('bytes into lines', async t => {
  const rows: readonly [chunks: readonly string[], want: readonly string[], why: string][] = [
    [[], [], 'nothing'],
    [['a\nb\n'], ['a', 'b'], 'two in one chunk'],
    [['a', 'b', '\n', 'c'], ['ab', 'c'], 'one in several, and what has no newline'],
    [['\n\n'], ['', ''], 'empty ones'],
    [
      ['x'.repeat(150_000), '\ny\n'],
      ['x'.repeat(65_536), 'x'.repeat(65_536), 'x'.repeat(18_928), 'y'],
      'a long one',
    ],
  ]
  for (const [chunks, want, why] of rows) {
    const lines: string[] = []
    const splitter = new LineSplitter(taken => void lines.push(...taken.toString().split('\n')))
    for (const chunk of chunks) splitter.add(Buffer.from(chunk))
    splitter.end()
    t.same(lines, want, why)
  }
})

// Tests of whiteouts, and of entries that come twice.

import t from 'tap'
import { ALL, hiddenBy, isAufs, SeenPaths } from '../src/whiteout.js'

t.test('hiddenBy()', async t => {
  const rows: [why: string, path: string, want: string | undefined][] = [
    ['an entry', 'a/b', undefined],
    ['a whiteout', 'a/.wh.b', 'b'],
    ['the opaque marker', 'a/.wh..wh..opq', ALL],
    ['a name that only ends so', 'a.wh.b', undefined],
    ['a whiteout of what begins with a dot', '.wh..b', '.b'],
    ['the root', '', undefined],
  ]
  for (const [why, path, want] of rows) {
    const parts = path.split('/')
    t.equal(hiddenBy(parts.slice(0, -1), parts.at(-1) ?? ''), want, why)
  }
  for (const name of ['.wh.', '.wh..', '.wh...'])
    t.throws(() => hiddenBy([], name), { code: 'WHITEOUT_INVALID' }, `${name} names nothing`)
  t.throws(() => hiddenBy(['.wh.a'], 'b'), { code: 'WHITEOUT_INVALID' }, 'below a whiteout')
  t.ok(isAufs(['.wh..wh.plnk', 'x']), 'bookkeeping of AUFS')
  t.notOk(isAufs(['.wh..wh..opq']), 'the opaque marker of the root is none')
})

t.test('SeenPaths', async t => {
  const seen = new SeenPaths()
  t.equal(seen.see('a', 'file'), 'new')
  t.equal(seen.see('a', 'file'), 'same')
  t.equal(seen.see('a', 'link'), 'other')
  t.equal(seen.see('b', 'file'), 'new', 'another path of the same header')
})

// Archives that try to take hours, or to exhaust the stack.

import fs from 'node:fs'
import path from 'node:path'
import { chunked, handmade, type Item, link, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { applyLayer } from '../src/apply.js'
import { RootfsStaging } from '../src/staging.js'

t.test('a marker said ten thousand times looks through its directory once', async t => {
  // Once, all entries were searched each time: 50 MB of such entries, a few KB of gzip, took days.
  const items: Item[] = [
    ...Array.from({ length: 1000 }, (_, i) => ({ name: `d/${i}` })),
    ...Array<Item>(10_000).fill({ name: 'd/.wh..wh..opq' }),
    ...Array<Item>(10_000).fill({ name: '.wh.d' }),
  ]
  const root = tempDir(t, 'again')
  await applyLayer(chunked(handmade(items)), root)
  t.equal(fs.readdirSync(path.join(root, 'd')).length, 1000)
})

t.test('directories without end, by way of symlinks, are refused and can be removed', async t => {
  // Once, removing them exhausted the stack, so that the error was lost and the tree was left.
  const deep = 'a/'.repeat(2000).slice(0, -1)
  const items: Item[] = [{ name: deep, type: 'dir' }, link('s', deep), { name: `s/${deep}`, type: 'dir' }]
  const top = tempDir(t, 'deep')
  const staging = RootfsStaging.open(path.join(top, 'target'))
  await t.rejects(applyLayer(chunked(handmade(items)), staging.dir), { code: 'NAME_TOO_LONG' })
  staging.abort()
  t.same(fs.readdirSync(top), [])
})

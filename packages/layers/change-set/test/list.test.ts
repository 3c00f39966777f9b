// A layer as records.

import { recordError } from '@pipelayer/records'
import { changeLine, handmade, hard, type Item, link } from '@pipelayer/testkit'
import t from 'tap'
import { changesOf, listed } from './kit.js'

t.test('listLayer()', async t => {
  const items: Item[] = [
    { name: './', type: 'dir' },
    { name: './b/', type: 'dir', mode: 0o1777, uid: 3000000, gid: 5 },
    { name: 'b/f', content: 'hello', mtime: { seconds: 5, nanoseconds: 500 } },
    { name: '/a', xattrs: new Map([['user.x', Buffer.from([0, 255])]]) },
    link('b/s', '../../x'),
    hard('b/h', './b/f'),
    { name: 'b/\xff' },
    { name: 'dev', type: 'char', devmajor: 1, devminor: 3 },
    { name: '.wh.gone' },
    { name: 'b/.wh..wh..opq' },
    { name: '.wh..wh.plnk', type: 'dir' },
  ]
  const tar = handmade(items)
  const changes = await changesOf(tar, { blob: { digest: `sha256:${'1'.repeat(64)}`, path: '/x' } })
  t.same(changes.map(changeLine), [
    'modify . dir',
    'add b dir',
    'add b/f file',
    'add a file',
    'add b/s symlink ../../x',
    'add b/h hardlink b/f',
    'add b/\\xff file',
    'add dev char',
    'delete gone',
    'opaque b',
  ])
  for (const change of changes) t.equal(recordError(change), undefined)
  const [, , file, empty] = changes
  t.match(file?.entry, {
    mode: '0644',
    mtime: '5.0000005',
    size: 5,
    content: { path: '/x', runs: undefined },
  })
  const offset = file?.entry?.content?.offset ?? 0
  t.equal(tar.toString('latin1', offset, offset + 5), 'hello', 'the offset is that of the bytes')
  t.match(empty?.entry, { xattrs: { 'user.x': 'AP8=' }, content: undefined }, 'an empty file lies nowhere')
  t.notOk((await changesOf(tar))[2]?.entry?.content, 'nor does anything without a blob')

  const root = (await changesOf(handmade([{ name: '', type: 'dir' }]))).map(changeLine)
  t.same(root, ['modify . dir'], 'a directory without a name is the root')

  const rows: [string, Item[], string][] = [
    ['a name that leaves the root', [{ name: '../x' }], 'PATH_ESCAPES'],
    ['a symlink for a root', [{ name: './', type: 'symlink', linkname: 'x' }], 'ROOT_REPLACED'],
    ['a whiteout of nothing', [{ name: 'a/.wh.' }], 'WHITEOUT_INVALID'],
    ['a whiteout of the parent', [{ name: 'a/.wh...' }], 'WHITEOUT_INVALID'],
    ['an entry below a whiteout', [{ name: '.wh.a/b' }], 'WHITEOUT_INVALID'],
    ['a name that no program could open', [{ name: 'x/'.repeat(3000) }], 'NAME_TOO_LONG'],
  ]
  for (const [why, bad, code] of rows) await t.rejects(listed(handmade(bad)), { code }, why)
  await t.rejects(listed(tar.subarray(0, 700)), { code: 'TAR_TRUNCATED' })
  await t.rejects(listed(tar, { signal: AbortSignal.abort(new Error('stop')) }), /stop/)
})

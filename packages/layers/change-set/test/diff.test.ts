// Tests of change sets of real overlay mounts and of trees, and of what is refused.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { ChangeRecord } from '@pipelayer/records'
import { lsetxattr, mknod, umount2 } from '@pipelayer/sys'
import { changeLine, folders, mountStep, need, overlaySteps, shell, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { diffOverlay, diffTrees } from '../src/diff.js'

const needsRoot = { skip: need('root') }

t.test('overlay mounts', needsRoot, async t => {
  for (const row of overlaySteps) {
    await t.test(row.why, async t => {
      const dirs = mountStep(t, row)
      const changes = [...diffOverlay(dirs)]
      t.same(changes.map(changeLine), row.want)
      t.same(
        [...diffTrees(dirs.below, dirs.merged)].map(withoutSource),
        changes.map(withoutSource),
        'two plain trees give the same change set',
      )
    })
  }
})

function withoutSource({ entry, ...change }: ChangeRecord): object {
  const { source: _, sourceRaw: __, ...rest } = entry ?? { source: '' }
  return { ...change, entry: rest }
}

t.test(
  'fuse-overlayfs, which marks opaque directories by files too',
  { skip: need('root', 'fuse-overlayfs') },
  async t => {
    const [lower, upper, work, merged] = folders(tempDir(t, 'fuse'), 'lower', 'upper', 'work', 'merged')
    shell(lower, 'mkdir d; touch -d @5 d/x d/y z')
    shell(merged, `fuse-overlayfs -o lowerdir=${lower},upperdir=${upper},workdir=${work} . 2> /dev/null`)
    shell(merged, 'rm -r d; mkdir d; touch -d @5 d/y; rm z')
    umount2(merged)
    const changes = [...diffOverlay({ upper, lowers: [lower] })]
    t.same(changes.map(changeLine), ['modify d dir (parent)', 'delete d/x', 'delete z'])
    const [next] = folders(tempDir(t, 'fuse'), 'next')
    shell(next, 'mkdir d; setfattr -n trusted.overlay.opaque -v y d')
    t.same([...diffOverlay({ upper: next, lowers: [upper, lower] })].map(changeLine), [
      'modify d dir (parent)',
      'delete d/y',
    ])
  },
)

t.test('an upper without lowers: every mark counts', needsRoot, async t => {
  const upper = tempDir(t, 'upper')
  shell(
    upper,
    'mkdir d; touch d/f e; setfattr -n trusted.overlay.opaque -v y d; mknod gone c 0 0; setfattr -n trusted.overlay.whiteout -v y e',
  )
  t.same([...diffOverlay({ upper })].map(changeLine), [
    'add d dir',
    'opaque d',
    'add d/f file',
    'delete e',
    'delete gone',
  ])
})

t.test('xattr whiteouts, and opaque "x", which is not opaque', needsRoot, async t => {
  const top = tempDir(t, 'xattr')
  const [lower, upper] = folders(top, 'lower', 'upper')
  shell(lower, 'mkdir d; touch d/a d/b')
  shell(
    upper,
    'mkdir d; touch d/a; setfattr -n trusted.overlay.opaque -v x d; setfattr -n trusted.overlay.whiteout -v "" d/a',
  )
  fs.utimesSync(`${lower}/d`, 1, 1)
  t.same([...diffOverlay({ upper, lowers: [lower] })].map(changeLine), [
    'modify d dir (parent)',
    'delete d/a',
  ])
})

t.test('what cannot be told is refused', needsRoot, async t => {
  const rows: [string, (upper: string) => void, object][] = [
    [
      'a redirected directory',
      upper => shell(upper, 'mkdir d; setfattr -n trusted.overlay.redirect -v old d'),
      { code: 'OVERLAY_REDIRECT' },
    ],
    [
      'a file whose data is below',
      upper => shell(upper, 'touch f; setfattr -n trusted.overlay.metacopy f'),
      { code: 'OVERLAY_METACOPY' },
    ],
    ['a name that stands for a deletion', upper => shell(upper, 'touch .wh.f'), { code: 'WHITEOUT_NAME' }],
    [
      'the same deeper down',
      upper => shell(upper, 'mkdir -p a; touch a/.wh..wh..opq'),
      { code: 'WHITEOUT_NAME' },
    ],
    ['an owner that the map lacks', upper => shell(upper, 'touch f; chown 5 f'), { code: 'ID_UNMAPPED' }],
    ['no directory at all', upper => fs.rmdirSync(upper), { code: 'NOT_A_DIRECTORY' }],
  ]
  for (const [why, prepare, want] of rows) {
    const [lower, upper] = folders(tempDir(t, 'refused'), 'lower', 'upper')
    prepare(upper)
    const idMap = { uid: [[0, 0, 1]], gid: [[0, 0, 1]] } as const
    t.throws(() => [...diffOverlay({ upper, lowers: [lower] }, { idMap })], want as Error, why)
  }
})

t.test('trees', needsRoot, async t => {
  const rows: { why: string; before: string; after: string; want: string[]; options?: object }[] = [
    {
      why: 'a whole tree: hard links by inode, the first path is the file',
      before: '',
      after: 'echo x > b; ln b a; mkdir c; ln b c/d; touch e',
      want: ['add a file', 'add b hardlink a', 'add c dir', 'add c/d hardlink a', 'add e file'],
    },
    {
      why: 'links between files that were apart',
      before: 'echo x > a; echo x > b; touch -d @1 a b',
      after: 'rm b; ln a b',
      want: ['modify a file', 'modify b hardlink a'],
    },
    {
      why: 'a link less is a deletion and nothing else',
      before: 'echo x > a; ln a b; ln a c',
      after: 'rm b',
      want: ['delete b'],
    },
    {
      why: 'breaking a link between files that stay equal is no change',
      before: 'echo x > a; ln a b; touch -d @1 a',
      after: 'cp -p a n; rm b; mv n b',
      want: [],
    },
    {
      why: 'a changed file of two names',
      before: 'echo x > a; ln a b',
      after: 'echo yy > a',
      want: ['modify a file', 'modify b hardlink a'],
    },
    {
      why: 'symlinks and fifos may have two names as well',
      before: '',
      after: 'ln -s t s; ln -P s s2; mkfifo p; ln p p2',
      want: ['add p fifo', 'add p2 hardlink p', 'add s symlink t', 'add s2 hardlink s'],
    },
    {
      why: 'a socket is left out, and what it hides is gone',
      before: 'touch s',
      after: 'rm s; python3 -c "import socket; socket.socket(socket.AF_UNIX).bind(\'s\')"',
      want: ['delete s'],
    },
    { why: 'nothing', before: 'mkdir a; touch a/b', after: 'touch a', want: [] },
  ]
  for (const { why, before, after, want } of rows) {
    const top = tempDir(t, 'trees')
    shell(path.join(top, 'before'), before === '' ? 'true' : before)
    spawnSync('cp', ['-a', path.join(top, 'before'), path.join(top, 'after')])
    shell(path.join(top, 'after'), after)
    const changes = [
      ...diffTrees(before === '' ? undefined : path.join(top, 'before'), path.join(top, 'after')),
    ]
    t.same(changes.map(changeLine), want, why)
  }
})

t.test('a socket is warned of', needsRoot, async t => {
  const dir = tempDir(t, 'socket')
  mknod(path.join(dir, 's'), fs.constants.S_IFSOCK)
  const warnings: string[] = []
  t.same([...diffTrees(undefined, dir, { onWarning: text => warnings.push(text) })], [])
  t.match(warnings, [/a layer cannot hold a socket/])
})

t.test('xattrs and owners of an entry', needsRoot, async t => {
  const dir = tempDir(t, 'fields')
  const file = path.join(dir, 'f')
  fs.writeFileSync(file, 'x')
  fs.chownSync(file, 100005, 100006)
  // Revision 3 of a capability ends in the root id of a user namespace. An image has revision 2, which has no such id.
  const v2 = Buffer.from('0100000200040000000000000000000000000000', 'hex')
  const v3 = Buffer.from('0100000300040000000000000000000000000000a0860100', 'hex')
  lsetxattr(file, 'security.capability', v3)
  lsetxattr(file, 'user.k', Buffer.from('v'))
  lsetxattr(file, 'user.overlay.opaque', Buffer.from('y'))
  lsetxattr(file, 'trusted.k', Buffer.from('v'))
  const idMap = { uid: [[0, 100000, 10]], gid: [[0, 100000, 10]] } as const
  fs.chownSync(dir, 100000, 100000)
  const [change] = diffTrees(undefined, dir, { idMap })
  t.match(change?.entry, { uid: 5, gid: 6, source: file, size: 1 })
  t.same(change?.entry?.xattrs, { 'security.capability': v2.toString('base64'), 'user.k': 'dg==' })
  const [all] = diffTrees(undefined, dir, { allXattrs: true })
  t.same(Object.keys(all?.entry?.xattrs ?? {}), ['security.capability', 'trusted.k', 'user.k'])
})

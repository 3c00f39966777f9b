// Change sets: of real overlay mounts, of trees, and what is refused.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { diffOverlay, diffTrees, type OverlayDirs } from '@pipelayer/change-set'
import type { ChangeRecord } from '@pipelayer/records'
import { lsetxattr, mknod, mount, umount2 } from '@pipelayer/sys'
import { compareTrees, need, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { applyLayer } from '../src/apply.js'
import { chunked, folders, line, shell, tarOf } from './kit.js'

const needsRoot = { skip: need('root') }
const PLAIN = 'redirect_dir=off,metacopy=off,index=off,xino=off'

interface OverlayRow {
  readonly why: string
  /** One script for each lower, base first. */
  readonly lower: readonly string[]
  readonly step: string
  readonly want: readonly string[]
  readonly options?: string
}

const overlayRows: OverlayRow[] = [
  {
    why: 'a new file names its parents, unchanged ones marked',
    lower: ['mkdir -p a/b'],
    step: 'echo x > a/b/new',
    want: ['modify a dir (parent)', 'modify a/b dir (parent)', 'add a/b/new file'],
  },
  {
    why: 'three whiteouts share one inode and are no hard links',
    lower: ['touch 1 2 3'],
    step: 'rm 1 2 3',
    want: ['delete 1', 'delete 2', 'delete 3'],
  },
  {
    why: 'a directory removed and made anew is opaque on disk: told as what is gone and what is new',
    lower: ['mkdir d; touch d/old d/kept'],
    step: 'rm -r d; mkdir d; touch d/new d/kept',
    want: ['modify d dir (parent)', 'modify d/kept file', 'add d/new file', 'delete d/old'],
  },
  {
    why: 'an opaque directory over nothing is an ordinary one',
    lower: ['touch f'],
    step: 'mkdir d; rmdir d; mkdir d',
    want: ['add d dir'],
  },
  {
    why: 'a whiteout of what no lower has any more is dropped',
    lower: ['mkdir d; touch d/f', 'rm -f x'],
    step: 'touch new; rm new',
    want: [],
  },
  {
    why: 'an entry that is copied up and equal is no change',
    lower: ['echo x > f; touch -d @1000 f; chmod 600 f'],
    step: 'chmod 644 f; chmod 600 f; touch -d @1000 f',
    want: [],
  },
  {
    why: 'a directory differs by its mode, never by its time alone',
    lower: ['mkdir a b; chmod 755 a b'],
    step: 'touch a b; chmod 700 b',
    want: ['modify b dir'],
  },
  {
    why: 'content that changed under the same size and time',
    lower: ['echo one > f; touch -d @1000 f'],
    step: 'echo two > f; touch -d @1000 f',
    want: ['modify f file'],
  },
  {
    why: 'touching one of two hard links breaks them: the other is as it was',
    lower: ['echo x > a; ln a b; touch -d @1000 a'],
    step: 'echo y >> a',
    want: ['modify a file'],
  },
  {
    why: 'a new link to a lower file: both names are one file again only if both are there',
    lower: ['mkdir d; echo x > z'],
    step: 'ln z d/l',
    want: ['modify d dir (parent)', 'add d/l file', 'modify z hardlink d/l'],
  },
  {
    why: 'a moved directory, without redirects, is copied by mv',
    lower: ['mkdir -p d/e; echo x > d/e/f'],
    step: 'mv d moved',
    want: ['delete d', 'add moved dir', 'add moved/e dir', 'add moved/e/f file'],
  },
  {
    why: 'a file in place of a directory, and the other way round',
    lower: ['mkdir d; touch d/x f'],
    step: 'rm -r d; echo > d; rm f; mkdir f; touch f/y',
    want: ['modify d file', 'modify f dir', 'add f/y file'],
  },
  {
    why: 'byte order: a directory is followed by its contents, not by names that begin alike',
    lower: [''],
    step: 'mkdir a; touch a/z a-b a.c; mkdir A',
    want: ['add A dir', 'add a dir', 'add a/z file', 'add a-b file', 'add a.c file'],
  },
  {
    why: 'what is deleted in one lower and back in the next is compared with the next',
    lower: ['echo 1 > f; touch -d @1000 f', 'rm -f f; touch -d @2000 f'],
    step: 'touch -d @2000 f; rm f; : > f; touch -d @2000 f',
    want: [],
  },
  {
    why: 'symlinks by their text, devices by their number, xattrs by their value',
    lower: ['ln -s a s; mknod n c 1 3; touch x; setfattr -n user.k -v 1 x'],
    step: 'ln -sfn b s; rm n; mknod n c 1 5; setfattr -n user.k -v 2 x',
    want: ['modify n char', 'modify s symlink b', 'modify x file'],
  },
  {
    why: 'the root itself, when it changed',
    lower: ['chmod 755 .'],
    step: 'chmod 711 .; touch f',
    want: ['modify . dir', 'add f file'],
  },
  {
    why: 'names that are not UTF-8, or hold what shells and formats trip over',
    lower: [''],
    step: `touch $'\\xff\\xfe' $'new\\nline' 'Ümlaut' '"'`,
    want: ['add " file', 'add new\\x0aline file', 'add Ümlaut file', 'add \\xff\\xfe file'],
  },
  {
    why: 'user xattrs: the same without privileges over trusted ones',
    lower: ['mkdir d; touch d/a d/b'],
    step: 'rm -r d; mkdir d; touch d/b',
    want: ['modify d dir (parent)', 'delete d/a', 'modify d/b file'],
    options: 'userxattr',
  },
]

t.test('overlay mounts', needsRoot, async t => {
  for (const row of overlayRows) {
    await t.test(row.why, async t => {
      const dirs = mounted(t, row)
      const changes = [...diffOverlay(dirs)]
      t.same(changes.map(line), row.want)
      const copy = path.join(dirs.top, 'copy')
      spawnSync('cp', ['-a', dirs.below, copy])
      t.same(
        [...diffTrees(dirs.below, dirs.merged)].map(withoutSource),
        changes.map(withoutSource),
        'two plain trees give the same change set',
      )
      if (changes.length > 0) await applyLayer(chunked(await tarOf(changes)), copy)
      t.same(
        compareTrees(dirs.merged, copy, { except: ['.'] }).filter(unlessParent(changes)),
        [],
        'and it rebuilds the tree',
      )
    })
  }
})

/** A directory whose only news is its time is no change, so only there may times differ. */
function unlessParent(changes: readonly ChangeRecord[]): (difference: string) => boolean {
  const named = new Set(changes.map(({ path }) => path))
  return difference => named.has(difference.split(':')[0] ?? '') || !/^[^|]* 4\d{4} /.test(difference)
}

function withoutSource({ entry, ...change }: ChangeRecord): object {
  const { source: _, sourceRaw: __, ...rest } = entry ?? { source: '' }
  return { ...change, entry: rest }
}

/** Mounts the lowers one over the other, so that each has the form the kernel gives it, and runs the step on top. */
function mounted(
  t: { teardown(work: () => void): void },
  row: OverlayRow,
): OverlayDirs & { top: string; merged: string; below: string } {
  const top = tempDir(t, 'diff')
  const [merged, below] = folders(top, 'merged', 'below')
  const lowers: string[] = []
  for (const script of row.lower) lowers.unshift(layerOf(top, lowers, script, row.options))
  const upper = layerOf(top, lowers, row.step, row.options)
  const options = `${PLAIN}${row.options === undefined ? '' : `,${row.options}`}`
  mountChain(merged, [upper, ...lowers], row.options)
  if (lowers.length === 1) spawnSync('mount', ['--bind', lowers[0] ?? '', below])
  else mountChain(below, lowers, row.options)
  t.teardown(() => {
    umount2(merged)
    umount2(below)
  })
  return { top, merged, below, upper, lowers, xattrs: options.includes('userxattr') ? 'user' : 'trusted' }
}

function mountChain(target: string, dirs: readonly string[], extra?: string): void {
  const data = `lowerdir=${dirs.join(':')}${extra === undefined ? '' : `,${extra}`}`
  mount('overlay', target, 'overlay', { data })
}

function layerOf(top: string, lowers: readonly string[], script: string, extra?: string): string {
  const number = lowers.length
  const [upper, work, merged] = folders(top, `upper${number}`, `work${number}`, `step${number}`)
  if (lowers.length === 0) {
    shell(upper, script === '' ? 'true' : script)
    return upper
  }
  const data = `lowerdir=${lowers.join(':')},upperdir=${upper},workdir=${work},${extra ?? PLAIN}`
  mount('overlay', merged, 'overlay', { data })
  try {
    shell(merged, script)
  } finally {
    umount2(merged)
  }
  return upper
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
    t.same(changes.map(line), ['modify d dir (parent)', 'delete d/x', 'delete z'])
    const [next] = folders(tempDir(t, 'fuse'), 'next')
    shell(next, 'mkdir d; setfattr -n trusted.overlay.opaque -v y d')
    t.same([...diffOverlay({ upper: next, lowers: [upper, lower] })].map(line), [
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
  t.same([...diffOverlay({ upper })].map(line), [
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
  t.same([...diffOverlay({ upper, lowers: [lower] })].map(line), ['modify d dir (parent)', 'delete d/a'])
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
    t.same(changes.map(line), want, why)
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
  // Revision 3 of a capability ends in the root id of a user namespace: an image has revision 2, without.
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

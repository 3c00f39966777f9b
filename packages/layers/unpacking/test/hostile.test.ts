// Archives that try to write, read or delete outside of the root. Ids such as CVE numbers name the flaw in other
// programs.

import fs from 'node:fs'
import path from 'node:path'
import { llistxattr } from '@pipelayer/sys'
import {
  chunked,
  folders,
  handmade,
  hard,
  type Item,
  link,
  need,
  readTree,
  shell,
  tempDir,
} from '@pipelayer/testkit'
import t from 'tap'
import { applyLayer, applyLayerOverlay } from '../src/apply.js'

const needsRoot = { skip: need('root') }

interface HostileRow {
  readonly why: string
  /** A script that fills the root before the archive is unpacked. */
  readonly base?: string
  readonly items: readonly Item[]
  /** The code of the refusal. Without it the archive unpacks and stays inside the root. */
  readonly code?: string
  /** Files below the root afterwards, by path, with their content. */
  readonly content?: Readonly<Record<string, string>>
}

/** cap_setuid, as setcap writes it. */
const CAPABILITY = Buffer.from('0100000280000000000000000000000000000000', 'hex')

/** A file `a` whose second entry differs from the first in one thing. */
function twiceDiffering(rows: readonly [string, Partial<Item>][]): HostileRow[] {
  const first = { name: 'a', content: '1' }
  return rows.map(([what, second]) => ({
    why: `a path twice, with ${what}`,
    items: [first, { ...first, ...second }],
    code: 'DUPLICATE_ENTRY',
  }))
}

const hostile: HostileRow[] = [
  {
    why: 'a name with .. that leaves the root',
    items: [{ name: '../x', content: 'bad' }],
    code: 'PATH_ESCAPES',
  },
  { why: '.. in the middle', items: [{ name: 'a/../../x', content: 'bad' }], code: 'PATH_ESCAPES' },
  {
    why: '.. behind a slash (GHSA-qffp-2rhf-9h96)',
    items: [{ name: '/../x', content: 'bad' }],
    code: 'PATH_ESCAPES',
  },
  { why: 'relative to a drive (GHSA-9ppj-qmqm-q256)', items: [{ name: 'C:../x' }], code: 'PATH_ESCAPES' },
  { why: 'a name of another host', items: [{ name: '\\\\host\\share\\x' }], code: 'PATH_ESCAPES' },
  { why: '.. between backslashes', items: [{ name: 'a\\..\\..\\x' }], code: 'PATH_ESCAPES' },
  {
    why: 'backslashes are usual in units of systemd',
    items: [{ name: 'a\\x2db.mount', content: 'ok' }],
    content: { 'a\\x2db.mount': 'ok' },
  },
  {
    why: 'a leading slash means the root',
    items: [{ name: '/etc/x', content: 'in' }],
    content: { 'etc/x': 'in' },
  },
  {
    why: 'a write through an absolute symlink lands inside (Debian has /var/run -> /run)',
    items: [link('s', '/etc'), { name: 's/x', content: 'in' }],
    content: { 'etc/x': 'in' },
  },
  {
    why: 'a write through a relative symlink that climbs',
    items: [link('s', '../../..'), { name: 's/x', content: 'in' }],
    content: { x: 'in' },
  },
  {
    why: 'a chain of symlinks, each of them inside by its text (GHSA-m37j-52j7-pjw7, CVE-2026-42574)',
    items: [
      { name: 'a/b', type: 'dir' },
      link('a/b/up', '..'),
      link('a/up', '..'),
      link('up', '..'),
      link('a/b/out', 'up/up/up/up/outside'),
      { name: 'a/b/out/x', content: 'in' },
    ],
    content: { 'outside/x': 'in' },
  },
  {
    why: 'a hard link through symlinks (CVE-2026-26960)',
    items: [
      { name: 'a/b/c', type: 'dir' },
      link('a/b/c/up', '../..'),
      link('a/b/escape', 'c/up/../..'),
      hard('stolen', 'a/b/escape/../outside/secret'),
    ],
    code: 'LINK_TARGET_MISSING',
  },
  {
    why: 'a symlink of an earlier layer, used by a write',
    base: 'ln -s ../outside s',
    items: [{ name: 's/secret', content: 'mine' }],
    content: { 'outside/secret': 'mine' },
  },
  { why: 'and by a whiteout', base: 'ln -s ../outside s', items: [{ name: 's/.wh.secret' }] },
  { why: 'and by an opaque marker', base: 'ln -s ../outside s', items: [{ name: 's/.wh..wh..opq' }] },
  {
    why: 'and by a hard link',
    base: 'ln -s ../outside s',
    items: [hard('x', 's/secret')],
    code: 'LINK_TARGET_MISSING',
  },
  {
    why: 'a symlink in place of the root (CVE-2021-29136)',
    items: [link('/.', '../outside'), { name: 'secret', content: 'bad' }],
    code: 'ROOT_REPLACED',
  },
  {
    why: 'a hard link to an absolute path outside (CVE-2026-23745)',
    items: [hard('x', '/OUTSIDE/secret')],
    code: 'LINK_TARGET_MISSING',
  },
  {
    why: 'a hard link with .. (CVE-2026-24842, CVE-2026-50163)',
    items: [hard('x', '../outside/secret')],
    code: 'PATH_ESCAPES',
  },
  {
    why: 'a hard link before its target (node-tar#448)',
    items: [hard('x', 'y'), { name: 'y' }],
    code: 'LINK_TARGET_MISSING',
  },
  {
    why: 'a hard link to a directory',
    items: [{ name: 'd', type: 'dir' }, hard('x', 'd')],
    code: 'LINK_INVALID',
  },
  { why: 'a hard link to itself', base: 'echo x > a', items: [hard('a', 'a')], code: 'LINK_INVALID' },
  {
    why: 'a hard link to a symlink that leads out links the symlink',
    items: [link('s', '../outside/secret'), hard('x', 's')],
  },
  {
    why: 'a file over a symlink replaces it',
    base: 'ln -s ../outside/secret s',
    items: [{ name: 's', content: 'mine' }],
    content: { s: 'mine' },
  },
  {
    why: 'mode, owner and time through a symlink (CVE-2021-32760)',
    base: 'ln -s ../outside/secret s',
    items: [{ name: 's', type: 'symlink', linkname: '../outside/secret', mode: 0o777, uid: 1, gid: 1 }],
  },
  {
    why: 'a directory over a symlink replaces it',
    base: 'ln -s ../outside s',
    items: [
      { name: 's', type: 'dir', mode: 0o700 },
      { name: 's/secret', content: 'mine' },
    ],
    content: { 's/secret': 'mine' },
  },
  {
    why: 'a fifo and a device over a symlink',
    base: 'ln -s ../outside/secret s; ln -s ../outside/secret t',
    items: [
      { name: 's', type: 'fifo' },
      { name: 't', type: 'char', devmajor: 1, devminor: 3 },
    ],
  },
  {
    why: 'a file as the parent of a file',
    items: [{ name: 'f', content: 'x' }, { name: 'f/x' }],
    code: 'PARENT_NOT_DIRECTORY',
  },
  {
    why: 'a file in place of a directory that has entries of the layer',
    items: [{ name: 'd/x' }, { name: 'd' }],
    code: 'ENTRY_CONFLICT',
  },
  {
    why: 'a path twice, and different',
    items: [
      { name: 'a', content: '1' },
      { name: './a', content: '2' },
    ],
    code: 'DUPLICATE_ENTRY',
  },
  {
    why: 'two names of one file, by way of a symlink: the last counts',
    items: [
      { name: 'd', type: 'dir' },
      link('s', 'd'),
      { name: 'd/a', content: '1' },
      { name: 's/a', content: '22' },
    ],
    content: { 'd/a': '22' },
  },
  {
    why: 'a path twice, and the same',
    items: [
      { name: 'a', content: '1' },
      { name: 'a', content: '1' },
    ],
    content: { a: '1' },
  },
  ...twiceDiffering([
    ['other permissions', { mode: 0o600 }],
    ['a set-id bit more', { mode: 0o4644 }],
    ['another owner', { uid: 7 }],
    ['another group', { gid: 7 }],
    ['another time', { mtime: { seconds: 1700000000, nanoseconds: 1 } }],
    ['an xattr more', { xattrs: new Map([['user.x', Buffer.from('1')]]) }],
    ['a capability that gives rights', { xattrs: new Map([['security.capability', CAPABILITY]]) }],
    ['other content of the same length', { content: '2' }],
    ['more content', { content: '11' }],
    ['a fifo of the same attributes', { type: 'fifo', content: '' }],
  ]),
  {
    why: 'hard links twice, and to different files',
    items: [{ name: 'a' }, { name: 'b' }, hard('x', 'a'), hard('x', 'b')],
    code: 'DUPLICATE_ENTRY',
  },
  {
    why: 'a symlink twice, and to different files',
    items: [link('s', 'a'), link('s', 'b')],
    code: 'DUPLICATE_ENTRY',
  },
  {
    why: 'devices twice, and of different numbers',
    items: [
      { name: 'n', type: 'char', devmajor: 1, devminor: 3 },
      { name: 'n', type: 'char', devmajor: 1, devminor: 5 },
    ],
    code: 'DUPLICATE_ENTRY',
  },
  {
    why: 'everything but a directory twice, and the same',
    items: [
      { name: 'a', content: '1', mode: 0o4755, uid: 5, xattrs: new Map([['user.x', Buffer.from('1')]]) },
      hard('x', 'a'),
      link('s', 'a'),
      { name: 'p', type: 'fifo' },
      { name: 'n', type: 'char', devmajor: 1, devminor: 3 },
      { name: './a', content: '1', mode: 0o4755, uid: 5, xattrs: new Map([['user.x', Buffer.from('1')]]) },
      hard('/x', './a'),
      link('s', 'a'),
      { name: 'p', type: 'fifo' },
      { name: 'n', type: 'char', devmajor: 1, devminor: 3 },
    ],
    content: { a: '1', x: '1' },
  },
  {
    why: 'a symlink, then a directory of its name',
    items: [link('s', '../outside'), { name: 's', type: 'dir' }],
    code: 'DUPLICATE_ENTRY',
  },
  {
    why: 'symlinks in a circle',
    items: [link('a', 'b'), link('b', 'a'), { name: 'a/x' }],
    code: 'TOO_MANY_SYMLINKS',
  },
  { why: 'a whiteout of nothing', items: [{ name: '.wh.' }], code: 'WHITEOUT_INVALID' },
  { why: 'a whiteout of .', items: [{ name: 'd/.wh..' }], code: 'WHITEOUT_INVALID' },
  {
    why: 'a whiteout of .. (umoci 0.4.7 removes the parent)',
    items: [{ name: '.wh...' }],
    code: 'WHITEOUT_INVALID',
  },
  { why: 'a file below a whiteout', items: [{ name: '.wh.d/x' }], code: 'WHITEOUT_INVALID' },
  { why: 'a symlink to nothing', items: [link('s', '')], code: 'TAR_INVALID' },
  {
    why: 'a path through one symlink after the other, each 800 steps long: 1.2 million open directories',
    items: [
      { name: 'd/x', type: 'dir' },
      link('d/s', 'x/../'.repeat(800)),
      { name: `d/${'s/'.repeat(1500)}f` },
    ],
    code: 'TOO_MANY_SYMLINKS',
  },
  { why: 'a name no program could open', items: [{ name: `${'d/'.repeat(2100)}x` }], code: 'NAME_TOO_LONG' },
  {
    why: 'overlayfs xattrs would hide lower files',
    items: [
      {
        name: 'd',
        type: 'dir',
        xattrs: new Map([
          ['trusted.overlay.opaque', Buffer.from('y')],
          ['user.overlay.opaque', Buffer.from('y')],
        ]),
      },
    ],
  },
  {
    why: 'AUFS bookkeeping is no file',
    items: [
      { name: '.wh..wh.plnk', type: 'dir' },
      { name: '.wh..wh.plnk/1.2', content: 'x' },
    ],
  },
]

t.test('hostile archives stay inside', needsRoot, async t => {
  for (const form of ['plain', 'overlay']) {
    for (const { why, base, items, code, content = {} } of hostile) {
      if (form === 'overlay' && base !== undefined) continue
      const top = tempDir(t, 'hostile')
      const [root, outside] = folders(path.join(top, 'a/b'), 'root', 'outside')
      fs.writeFileSync(path.join(outside, 'secret'), 'do not touch')
      if (base !== undefined) shell(root, base)
      const named = items.map(item => ({
        ...item,
        linkname: item.linkname?.replace('OUTSIDE', outside) ?? '',
      }))
      const before = JSON.stringify([...readTree(top, { except: ['a/b/root'] })])
      const apply = form === 'plain' ? applyLayer : applyLayerOverlay
      const work = apply(chunked(handmade(named)), root)
      if (code !== undefined) await t.rejects(work, { code }, `${form}: ${why}`)
      else await t.resolves(work, `${form}: ${why}`)
      t.equal(
        JSON.stringify([...readTree(top, { except: ['a/b/root'] })]),
        before,
        `${form}: ${why}: nothing outside changed`,
      )
      for (const [name, want] of Object.entries(content))
        t.equal(fs.readFileSync(path.join(root, name), 'utf8'), want)
      const leaked = [...readTree(root).values()].filter(entry => entry.includes(' 12 bytes '))
      t.same(leaked, [], `${form}: ${why}: nothing came in`)
      t.notMatch([...readTree(root).values()].join(' '), /overlay[.]/, 'no xattr of overlayfs')
    }
  }
})

t.test('a path twice, where the last is asked for', needsRoot, async t => {
  const root = tempDir(t, 'last')
  const items: Item[] = [
    { name: 'a', content: 'first', mode: 0o4755, xattrs: new Map([['user.x', Buffer.from('1')]]) },
    hard('x', 'a'),
    { name: 'a', content: 'last', mode: 0o600, uid: 7 },
    hard('x', 'a'),
    link('s', 'a'),
    { name: 's', type: 'dir' },
  ]
  await applyLayer(chunked(handmade(items)), root, { rules: { repeated: 'last' } })
  t.equal(fs.readFileSync(path.join(root, 'x'), 'utf8'), 'last')
  t.match(fs.statSync(path.join(root, 'a')), { mode: 0o100600, uid: 7, nlink: 2 })
  t.same(llistxattr(Buffer.from(path.join(root, 'a'))), [], 'nothing of the first one stays')
  t.ok(fs.lstatSync(path.join(root, 's')).isDirectory())
})

t.test('a directory without a name is the root', needsRoot, async t => {
  const [plain, overlay] = folders(tempDir(t, 'root'), 'plain', 'overlay')
  const items: Item[] = [{ name: '', type: 'dir', mode: 0o1750, uid: 3 }, { name: 'a' }]
  const tar = handmade(items)
  t.equal(tar[0], 0, 'the header has no name')
  await applyLayer(chunked(tar), plain)
  await applyLayerOverlay(chunked(tar), overlay)
  for (const root of [plain, overlay]) {
    t.match(fs.statSync(root), { mode: 0o41750, uid: 3 })
    t.same(fs.readdirSync(root), ['a'])
  }
  const link = handmade([{ name: '', type: 'symlink', linkname: '/' }])
  await t.rejects(applyLayer(chunked(link), plain), { code: 'TAR_INVALID' }, 'nothing else is')
})

t.test('errors name the entry', async t => {
  const dir = tempDir(t, 'named')
  const message = 'entry "x": it is a hard link to "y", which is not there'
  await t.rejects(applyLayer(chunked(handmade([hard('x', 'y')])), dir), { message })
  await t.rejects(applyLayer(chunked(handmade([{ name: 'x', content: '1' }]).subarray(0, 512)), dir), {
    code: 'TAR_TRUNCATED',
  })
})

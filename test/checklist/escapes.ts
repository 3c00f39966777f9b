/**
 * Entries that lead out of the root, or that replace the root itself.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { lgetxattr } from '@pipelayer/sys'
import t from 'tap'
import { dir, file, hardlink, type Item, symlink, uid } from './archives.js'
import type { Row } from './row.js'

/** The folder of the canary is three steps up from the target. */
const OUT = '../../../canary'

export const ESCAPES: readonly Row[] = [
  { why: '../x', layers: [[file('../x')]], code: 'PATH_ESCAPES' },
  { why: '/abs', layers: [[file('/abs')]], names: ['abs'] },
  { why: 'a/../../x', layers: [[file('a/../../x')]], code: 'PATH_ESCAPES' },
  { why: 'C:../x (GHSA-9ppj-qmqm-q256)', layers: [[file('C:../x')]], code: 'PATH_ESCAPES' },
  { why: '//../x (GHSA-qffp-2rhf-9h96)', layers: [[file('//../x')]], code: 'PATH_ESCAPES' },
  {
    why: 'a symlink, then a file through it',
    layers: [[symlink('s', OUT), file('s/file')]],
    content: { 'canary/file': 'bad' },
  },
  {
    why: 'a chain of symlinks, each inside by its text (GHSA-m37j-52j7-pjw7, CVE-2026-42574, GHSA-qq3r-w4hj-gjp6)',
    layers: [
      [
        dir('a/b'),
        symlink('a/up', '..'),
        symlink('a/b/up', '../up/..'),
        symlink('o', 'a/b/up/up/../../canary'),
        file('o/file'),
      ],
    ],
    content: { 'canary/file': 'bad' },
  },
  {
    why: 'a hard link through a chain of symlinks (CVE-2026-26960, GHSA-83g3-92jg-28cx)',
    layers: [
      [
        dir('a/b/c'),
        symlink('a/b/c/up', '../..'),
        symlink('a/b/escape', 'c/up/../..'),
        hardlink('stolen', 'a/b/escape/../../../canary/file'),
      ],
    ],
    code: 'LINK_TARGET_MISSING',
    pack: false,
  },
  {
    why: "an earlier layer's symlink, and a write",
    layers: [[symlink('s', OUT)], [file('s/file')]],
    content: { 'canary/file': 'bad' },
  },
  {
    why: "an earlier layer's symlink, and a whiteout",
    layers: [[symlink('s', OUT)], [file('s/.wh.file')]],
    names: ['s@'],
  },
  {
    why: "an earlier layer's symlink, and an opaque marker",
    layers: [[symlink('s', OUT)], [file('s/.wh..wh..opq')]],
    names: ['s@'],
  },
  {
    why: "an earlier layer's symlink, and a hard link",
    layers: [[symlink('s', OUT)], [hardlink('x', 's/file')]],
    code: 'LINK_TARGET_MISSING',
    pack: false,
  },
  {
    why: 'a symlink named /. replaces the root (CVE-2021-29136)',
    layers: [[symlink('/.', OUT), file('file')]],
    code: 'ROOT_REPLACED',
    pack: false,
  },
  {
    why: 'a hard link to an absolute path (CVE-2026-23745)',
    layers: [[hardlink('x', '/canary/file')]],
    code: 'LINK_TARGET_MISSING',
    pack: false,
  },
  {
    why: 'a hard link with .. (CVE-2026-24842, GHSA-34x7-hfp2-rc4v)',
    layers: [[hardlink('x', `${OUT}/file`)]],
    code: 'PATH_ESCAPES',
    pack: false,
  },
  {
    why: 'a hard link relative to the working directory (GHSA-fxhp-mv3v-67qp, CVE-2026-50163)',
    layers: [[hardlink('x', 'canary/file')]],
    code: 'LINK_TARGET_MISSING',
    pack: false,
  },
  {
    why: 'a hard link before its target (node-tar#448)',
    layers: [[hardlink('x', 'y'), file('y')]],
    code: 'LINK_TARGET_MISSING',
    pack: false,
  },
  {
    why: 'a hard link to a symlink',
    layers: [[symlink('s', `${OUT}/file`), hardlink('x', 's')]],
    names: ['s@', 'x@'],
  },
  {
    why: 'a symlink of a lower layer, as the last component',
    layers: [[symlink('s', `${OUT}/file`)], [file('s', 'in')]],
    content: { s: 'in' },
  },
  {
    why: 'mode, owner and time through a symlink (CVE-2021-32760)',
    layers: [
      [symlink('s', `${OUT}/run`)],
      [{ name: 's', type: 'symlink', linkname: `${OUT}/run`, mode: 0o777, uid: 9, gid: 9 }],
    ],
    names: ['s@'],
  },
  {
    why: 'names that fold to one (GHSA-r6q2-hw4h-h46w)',
    layers: [
      [
        file('Straße', '1'),
        file('STRASSE', '2'),
        file('ﬁ', '3'),
        file('fi', '4'),
        file('e\u0301', '5'),
        file('é', '6'),
      ].map(utf8),
    ],
    check: root => t.equal(fs.readdirSync(root).length, 6, 'bytes are names: none is folded'),
  },
  {
    why: 'a name twice, and different',
    layers: [[file('x', '1'), file('./x', '2')]],
    code: 'DUPLICATE_ENTRY',
  },
  {
    why: 'a directory, a file in its place, and back',
    layers: [[dir('x'), file('x/y')], [file('x', 'f')], [dir('x'), file('x/z', 'z')]],
    names: ['x/', 'x/z'],
  },
  {
    why: 'a file as the parent of a file',
    layers: [[file('f'), file('f/x')]],
    code: 'PARENT_NOT_DIRECTORY',
    pack: false,
  },
  {
    why: 'absolute symlinks are kept as they are (go-containerregistry#2227, reverted in #2250)',
    layers: [[symlink('var/run', '/run'), file('var/run/x', 'pid'), symlink('sh', '/bin/dash')]],
    content: { 'run/x': 'pid' },
    check: root => t.equal(fs.readlinkSync(path.join(root, 'sh')), '/bin/dash'),
  },
  {
    why: "overlayfs's own xattrs are not a layer's to set",
    layers: [
      [
        {
          name: 'd',
          type: 'dir',
          xattrs: new Map([
            ['trusted.overlay.opaque', Buffer.from('y')],
            ['user.overlay.redirect', Buffer.from('/')],
          ]),
        },
      ],
    ],
    check: root => {
      for (const name of ['trusted.overlay.opaque', 'user.overlay.redirect'])
        t.equal(lgetxattr(path.join(root, 'd'), name), undefined, name)
    },
  },
  {
    why: 'ids beyond 2^32',
    layers: [[{ name: 'x', over: uid(2n ** 32n) }]],
    code: 'ID_INVALID',
    pack: false,
  },
  {
    why: 'uid 2^32 - 1 means "leave as it is" to the kernel',
    layers: [[{ name: 'x', mode: 0o4755, over: uid(2n ** 32n - 1n) }]],
    code: 'ID_INVALID',
    pack: false,
  },
  {
    why: 'a negative id (CVE-2024-40635)',
    layers: [[{ name: 'x', over: uid(-1n) }]],
    code: 'ID_INVALID',
    pack: false,
  },
  {
    why: 'an id beyond 2^31 is one',
    layers: [[{ name: 'x', over: uid(3_000_000_000n) }]],
    check: root => t.equal(fs.statSync(path.join(root, 'x')).uid, 3_000_000_000),
  },
  { why: 'an id that is no number', layers: [[{ name: 'x', over: [[108, 'root\0']] }]], code: 'TAR_INVALID' },
]

function utf8(item: Item): Item {
  if (Buffer.isBuffer(item)) return item
  return { ...item, name: Buffer.from(item.name).toString('latin1') }
}

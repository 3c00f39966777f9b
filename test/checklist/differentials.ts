/**
 * Archives and compressed bytes that programs read in different ways, or that cost more than they should.
 *
 * @module
 */
import fs from 'node:fs'
import zlib from 'node:zlib'
import t from 'tap'
import { archive, base256, encoded, file, pax, size, special, symlink } from './archives.js'
import type { Row } from './row.js'

const INNER = encoded(file('hidden'))

export const DIFFERENTIALS: readonly Row[] = [
  {
    why: 'PAX size is not the size of ustar (CVE-2025-62518, RUSTSEC-2025-0111)',
    layers: [
      [
        special(pax('size', '1024')),
        encoded({ name: 'x', over: size('00000000000') }),
        INNER.subarray(0, 1024),
      ],
    ],
    names: ['x'],
  },
  {
    why: 'a PAX header holds for the next entry only, a GNU long name between them notwithstanding (node-tar@21a8220)',
    layers: [[special(pax('size', '3')), special('long\0', 'L'), file('x', 'abc'), file('y', 'de')]],
    content: { long: 'abc', y: 'de' },
  },
  {
    why: 'a PAX path with a NUL (GHSA-gvwx-54wh-qm9j)',
    layers: [[special(pax('path', 'a\0b')), file('x')]],
    code: 'TAR_INVALID',
  },
  {
    why: 'a PAX path of digits (node-tar@e02a4e9)',
    layers: [[special(pax('path', '12345')), file('x', 'ok')]],
    content: { 12345: 'ok' },
  },
  {
    why: 'a PAX record of a wrong length',
    layers: [[special('99 path=a\n'), file('x')]],
    code: 'TAR_INVALID',
  },
  {
    why: 'a negative size (GHSA-8x88-c5mf-7j5w)',
    layers: [[{ name: 'x', over: size(base256(-512n, 12)) }]],
    code: 'TAR_INVALID',
  },
  {
    why: 'base-256 that overflows',
    layers: [[{ name: 'x', over: size(base256(2n ** 80n, 12)) }]],
    code: 'TAR_INVALID',
  },
  {
    why: 'a size beyond 2^53',
    layers: [[{ name: 'x', over: size(base256(2n ** 53n, 12)) }]],
    code: 'TAR_INVALID',
  },
  {
    why: 'an archive cut in an entry',
    layers: [encoded(file('x', 'long enough')).subarray(0, 515)],
    code: 'TAR_TRUNCATED',
  },
  { why: 'no end blocks', layers: [encoded(file('x', 'ok'))], content: { x: 'ok' } },
  {
    why: 'garbage after the end',
    layers: [Buffer.concat([archive([file('x', 'ok')]), Buffer.alloc(999, 'g')])],
    names: ['x'],
  },
  {
    why: 'two archives in one: the second is not seen',
    layers: [Buffer.concat([archive([file('x', 'ok')]), archive([file('y')])])],
    names: ['x'],
  },
  { why: 'a header after a lone zero block', layers: [[Buffer.alloc(512), file('x')]], code: 'TAR_INVALID' },
  {
    why: 'a sparse map with a hole of 8 PiB',
    layers: [[special(sparse('0,1', 2 ** 53 - 1)), file('x', 'a')]],
    code: 'EFBIG',
    pack: false,
  },
  {
    why: 'a sparse map that overlaps',
    layers: [[special(sparse('0,2,1,2', 9)), file('x', 'abcd')]],
    code: 'TAR_INVALID',
  },
  {
    why: 'a global PAX header renames nothing',
    layers: [[special(pax('path', '../x'), 'g'), file('x', 'ok')]],
    content: { x: 'ok' },
  },
  {
    why: 'names with a newline, an escape sequence, and bytes that are not UTF-8',
    layers: [[file('a\nb', '1'), file('\x1b[2J', '2'), file('\xff\xfe', '3')]],
    check: root => t.same(fs.readdirSync(root, 'latin1').sort(), ['\x1b[2J', 'a\nb', '\xff\xfe']),
  },
  { why: 'a name of 300 bytes', layers: [[file('n'.repeat(300))]], code: 'ENAMETOOLONG', pack: false },
  {
    why: 'a chain of symlinks without end',
    layers: [[symlink('a', 'b'), symlink('b', 'a'), file('a/x')]],
    code: 'TOO_MANY_SYMLINKS',
    pack: false,
  },
]

export const PACKED: readonly Row[] = [
  {
    why: 'gzip of two members, one of them empty',
    layers: [Buffer.concat([zlib.gzipSync(''), zlib.gzipSync(archive([file('x', 'ok')]))])],
    content: { x: 'ok' },
  },
  {
    why: 'gzip, and garbage after it',
    layers: [Buffer.concat([zlib.gzipSync(archive([file('x')])), Buffer.from('garbage')])],
    code: 'COMPRESSION_INVALID',
  },
  {
    why: 'gzip, cut',
    layers: [zlib.gzipSync(archive([file('x')])).subarray(0, -9)],
    code: 'COMPRESSION_INVALID',
  },
  {
    why: 'a zstd window of 512 MiB (CVE-2017-14992, CVE-2020-1702)',
    layers: [Buffer.from('28b52ffd00980100004141', 'hex')],
    code: 'COMPRESSION_INVALID',
  },
  {
    why: 'xz, which no layer is',
    layers: [Buffer.from('fd377a585a000004e6d6b446', 'hex')],
    code: 'COMPRESSION_UNSUPPORTED',
  },
]

function sparse(map: string, size: number): string {
  const count = map.split(',').length / 2
  return (
    pax('GNU.sparse.size', `${size}`) + pax('GNU.sparse.numblocks', `${count}`) + pax('GNU.sparse.map', map)
  )
}

// The paths of COPY and ADD.

import { cleanName } from '@pipelayer/rootfs'
import t from 'tap'
import { destination, hasWildcard, sourcePattern } from '../src/copy-paths.js'

t.test('where a destination points', async t => {
  const rows: readonly [dest: string, workdir: string, path: string, isDirectory: boolean, why: string][] = [
    ['/a', '/', 'a', false, 'absolute'],
    ['a', '/w', 'w/a', false, 'below the working directory'],
    ['a/', '/w', 'w/a', true, 'a trailing slash'],
    ['.', '/w', 'w', true, 'the working directory itself'],
    ['', '/w', 'w', true, 'nothing means the same'],
    ['./', '/', '', true, 'the root'],
    ['/', '/w', '', true, 'the root'],
    ['a/.', '/', 'a', true, 'a trailing dot'],
    ['../../x', '/w', 'x', false, 'never above the root'],
    ['/a/../../x/', '/', 'x', true, 'clamped, and still a directory'],
  ]
  for (const [dest, workdir, path, isDirectory, why] of rows)
    t.same(destination(dest, workdir), { path, isDirectory }, `${dest}: ${why}`)
})

t.test('how a source is read', async t => {
  const rows: readonly [source: string, parents: boolean, want: object, why: string][] = [
    ['a/b', false, { base: 'a/b', optional: false }, 'a plain name'],
    ['', false, { base: '', optional: false }, 'a variable that is empty means the context'],
    ['../../x', false, { base: 'x', optional: false }, 'clamped at the context'],
    ['/a/', false, { base: 'a', optional: false }, 'slashes at the ends mean nothing'],
    ['a/*.c/d', false, { base: 'a', wildcard: '*.c/d', optional: true }, 'split where the wildcard begins'],
    ['a/./b', true, { base: 'a', include: 'b', optional: false }, 'the pivot'],
    ['./x/a', true, { base: '', include: 'x/a', optional: false }, 'no pivot: the whole path is kept'],
    ['a/./', true, { base: 'a', include: '**', optional: true }, 'all below the pivot'],
    ['a*/./b', true, { base: '', wildcard: 'a*', include: 'b', optional: true }, 'a wildcard before it'],
  ]
  for (const [source, parents, want, why] of rows)
    t.same(sourcePattern(source, { parents }), want, `${source}: ${why}`)
  for (const [name, want] of [
    ['a\\*', false],
    ['a*', true],
    ['a[b', true],
    ['a?', true],
    ['a', false],
  ] as const)
    t.equal(hasWildcard(name), want, name)
  for (const [name, want] of [
    ['/a//b/./c/..', 'a/b'],
    ['../..', ''],
    ['a/../../b', 'b'],
  ] as const)
    t.equal(cleanName(name), want, name)
})

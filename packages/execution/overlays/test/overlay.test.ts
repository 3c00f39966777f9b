// Overlays by the kernel and by fuse-overlayfs.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { diffOverlay } from '@pipelayer/change-set'
import { unmount } from '@pipelayer/containers'
import { mountTable } from '@pipelayer/sys'
import { mountsBelow, need, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { checkCount, findOverlays, OverlayMounter } from '../src/overlay.js'

const STEP = `
rm m/f && rm -r m/d && mkdir m/d && echo x > m/d/new && chown 5:6 m/d/new
mv m/g m/h && ln m/h m/hard && chmod 4755 m/h && rm -r m/deep/e && mkdir m/deep/e && ln -s nowhere m/link`

t.test('a step on either', { skip: need('root', 'fuse-overlayfs') }, async t => {
  const results = ['', '/usr/bin/fuse-overlayfs'].map(fuse => {
    const dir = tempDir(t, 'overlay')
    const at = (name: string): string => path.join(dir, name)
    for (const name of ['upper', 'work', 'm', 'lower:a/d/e', 'lower:a/deep/e/x', 'under'])
      fs.mkdirSync(at(name), { recursive: true })
    for (const name of ['lower:a/f', 'lower:a/g', 'lower:a/d/old', 'under/u'])
      fs.writeFileSync(at(name), name)
    const lowers = [at('lower:a'), at('under')]
    const mounter = new OverlayMounter(at('names'), 'trusted', fuse || undefined)
    mounter.mount({ lowers, upper: at('upper'), work: at('work') }, at('m'))
    execFileSync('sh', ['-ec', STEP], { cwd: dir })
    unmount(at('m'))
    mounter.finish(at('upper'))
    mounter.mount({ lowers: [at('upper'), ...lowers] }, at('m'))
    const seen = fs.readdirSync(at('m'), { recursive: true }).map(String).sort()
    unmount(at('m'))
    t.same(mountsBelow(dir), [])
    const found = [...diffOverlay({ upper: at('upper'), lowers, xattrs: 'trusted' })]
    const changes = found.map(({ op, path: name, entry }) =>
      [op, name, entry?.type, entry?.mode, entry?.uid].join(' '),
    )
    return { seen, changes: changes.sort(), inUpper: fs.readdirSync(at('upper'), { recursive: true }).sort() }
  })
  t.same(results[1], results[0])
  t.ok(results[0]?.changes.includes('delete f   '), String(results[0]?.changes))
})

t.test('which one is taken', { skip: need('root', 'fuse-overlayfs') }, async t => {
  const dir = tempDir(t, 'overlay')
  const options = { xattrs: 'trusted', searchPath: process.env.PATH } as const
  const plain = findOverlays(path.join(dir, 'plain'), path.join(dir, 'names'), options)
  t.match(plain, { works: true, problem: undefined }, "the kernel's")
  // No overlay can be written to if it lies on another overlay, where a removed file leaves no device either.
  for (const name of ['l', 'u', 'w', 'm']) fs.mkdirSync(path.join(dir, name))
  execFileSync('mount', [
    '-t',
    'overlay',
    '-o',
    `lowerdir=${dir}/l,upperdir=${dir}/u,workdir=${dir}/w`,
    'o',
    `${dir}/m`,
  ])
  t.teardown(() => unmount(path.join(dir, 'm')))
  const none = findOverlays(path.join(dir, 'm/probe'), path.join(dir, 'm/names'), options)
  t.match(none, { works: false, problem: /; / }, 'neither, with both reasons')
  // These mounts succeed, but then do not hide the old contents of a directory that was made anew.
  fs.mkdirSync(path.join(dir, 'bare'))
  execFileSync('mount', ['-t', 'ramfs', 'ramfs', path.join(dir, 'bare')])
  t.teardown(() => unmount(path.join(dir, 'bare')))
  const bare = findOverlays(path.join(dir, 'bare/probe'), path.join(dir, 'bare/names'), options)
  t.match(bare, { works: false }, 'a file system without xattrs')
})

t.test('names that the mount table shows', { skip: need('root') }, async t => {
  const dir = tempDir(t, 'overlay')
  for (const name of ['a', 'b:c', 'u', 'w', 'm', 'x'.repeat(200), 'many']) fs.mkdirSync(path.join(dir, name))
  for (let at = 0; at < 20; at++) fs.mkdirSync(path.join(dir, 'x'.repeat(200), String(at)))
  const mounter = new OverlayMounter(path.join(dir, 'names'), 'trusted')
  const optionsOf = (lowers: readonly string[], isWritten: boolean): string => {
    const [upper, work] = ['u', 'w']
    const full = (name: string): string => path.join(dir, name)
    const back = process.cwd()
    process.chdir(dir)
    try {
      mounter.mount(
        {
          lowers: lowers.map(full),
          ...(isWritten ? { upper: full(upper), work: full(work) } : {}),
          shown: { lowers, ...(isWritten ? { upper, work } : {}) },
        },
        full('m'),
      )
    } finally {
      process.chdir(back)
    }
    const shown = mountTable().findLast(({ target }) => target === full('m'))?.options ?? ''
    unmount(full('m'))
    return shown
  }
  t.match(optionsOf(['a'], true), /lowerdir=a,upperdir=u,workdir=w/, 'as they were given')
  t.match(optionsOf(['a'], false), /lowerdir=a:\/.*\/empty0/, 'with an empty one, if one is too few')
  t.match(
    optionsOf(['a', 'b:c'], true),
    /lowerdir=0:1,upperdir=u,workdir=w/,
    'names with a colon get short ones',
  )
  const many = Array.from({ length: 20 }, (_, at) => `${'x'.repeat(200)}/${at}`)
  t.match(optionsOf(many, true), /lowerdir=0:1:2:/, 'and so do names that do not fit into a page')
  t.throws(() => checkCount(501, '; do this'), { code: 'TOO_MANY_LAYERS', message: /500; do this$/ })
  checkCount(500)
})

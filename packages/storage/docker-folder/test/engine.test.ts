// Engines that work on a folder are found, and other folders that are not written to.
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { need, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { ImageWriter } from '../src/index.js'
import { newFolder, openWriter, plain, put, treeOf } from './writing.js'

const skip = need('root')

t.test('no engine may run', { skip }, async t => {
  const root = newFolder(t)
  const layers = [plain([{ name: 'a', content: 'a' }])]
  const database = path.join(root, 'network/files/local-kv.db')

  const early = openWriter(t, root)
  const before = treeOf(root)
  const holder = spawn('flock', ['-x', database, 'sleep', '60'], { stdio: 'ignore' })
  const ended = new Promise(resolve => holder.once('close', resolve))
  const isHeld = (): boolean => spawnSync('flock', ['-n', database, 'true']).status !== 0
  await waitUntil('the lock is held', isHeld)
  t.throws(() => openWriter(t, root), {
    code: 'ENGINE_RUNNING',
    message:
      /^cannot write into ".*": a Docker engine works on it \(pid \d+\): stop it first, or .* docker load$/,
  })
  await t.rejects(
    put(early, { layers, name: 'app:1' }),
    { code: 'ENGINE_RUNNING' },
    'one that began meanwhile',
  )
  early.close()
  t.same(treeOf(root), before, 'nothing was written')
  holder.kill()
  await ended
  // The lock outlives flock(1) in the program that it started.
  for (const pid of holdersOf(database)) process.kill(pid)
  await waitUntil('the lock is free', () => !isHeld())
  await put(openWriter(t, root), { layers, name: 'app:1' })
})

function holdersOf(file: string): number[] {
  const { ino } = fs.statSync(file)
  const held = (pid: string): boolean => {
    try {
      return fs.readdirSync(`/proc/${pid}/fd`).some(fd => fs.statSync(`/proc/${pid}/fd/${fd}`).ino === ino)
    } catch {
      return false
    }
  }
  return fs
    .readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid && held(name))
    .map(Number)
}

t.test('an engine that starts has no locks yet', { skip }, async t => {
  const root = newFolder(t)
  const dir = tempDir(t, 'engine')
  const program = path.join(dir, 'dockerd')
  fs.writeFileSync(program, '#!/bin/sh\nread line\n', { mode: 0o755 })
  const config = path.join(dir, 'daemon.json')
  fs.writeFileSync(config, JSON.stringify({ 'data-root': root }))
  fs.symlinkSync(root, path.join(dir, 'link'))
  for (const [args, isFound] of [
    [['--data-root', root], true],
    [[`--data-root=${dir}/link`], true],
    [['--data-root', 'link'], true],
    [['--config-file', config], true],
    [['--data-root', dir], false],
    [['--config-file', program], false],
    [[], false],
  ] as const) {
    const child = spawn(program, args, { cwd: dir, stdio: ['pipe', 'ignore', 'ignore'] })
    const ended = new Promise(resolve => child.once('close', resolve))
    const comm = (): string => fs.readFileSync(`/proc/${child.pid}/comm`, 'utf8').trim()
    await waitUntil('it runs', () => comm() === 'dockerd')
    const open = (): void => ImageWriter.open(root, async () => undefined).close()
    if (isFound)
      t.throws(open, { code: 'ENGINE_RUNNING', message: new RegExp(`pid ${child.pid}\\)`) }, args.join(' '))
    else t.doesNotThrow(open, args.join(' '))
    child.stdin.end('\n')
    await ended
  }
})

t.test('folders that are not written to', { skip }, async t => {
  const root = newFolder(t)
  fs.chownSync(path.join(root, 'overlay2'), 0, 100_000)
  t.throws(() => openWriter(t, root), { code: 'DRIVER_UNSUPPORTED', message: /user namespace \(0:100000\)/ })
  process.seteuid?.(65534)
  try {
    t.throws(() => openWriter(t, root), { code: 'NEEDS_ROOT' })
  } finally {
    process.seteuid?.(0)
  }
  t.throws(() => openWriter(t, `${root}/none`), { code: 'FOLDER_MISSING' })
})

// Tests of opening below a directory, by openat2 and without it.

import fs from 'node:fs'
import path from 'node:path'
import { O_PATH, type openat2 } from '@pipelayer/sys'
import { tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { BeneathOpener } from '../src/beneath.js'
import { Rooted } from '../src/rooted.js'

const { O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = fs.constants

/** A kernel whose openat2 fails with `code`; `calls` returns how often it was called. */
function failing(code: string): { openat2: typeof openat2; calls: () => number } {
  let calls = 0
  const call = (): never => {
    calls++
    throw Object.assign(new Error(code), { code })
  }
  return { openat2: call, calls: () => calls }
}

t.test('a kernel without openat2 opens the same, a component at a time', async t => {
  const dir = tempDir(t, 'beneath')
  fs.mkdirSync(path.join(dir, 'd/e'), { recursive: true })
  fs.writeFileSync(path.join(dir, 'd/f'), 'text')
  fs.symlinkSync('d', path.join(dir, 'l'))
  fs.symlinkSync('/etc/passwd', path.join(dir, 'd/s'))
  const fd = fs.openSync(dir, O_PATH | O_DIRECTORY)
  t.teardown(() => fs.closeSync(fd))
  const rows: [why: string, name: string, flags: number, want: RegExp][] = [
    ['the directory itself', '', O_PATH | O_DIRECTORY, /^\d+$/],
    ['a file', 'd/f', O_RDONLY, /^\d+$/],
    ['a directory in a directory', 'd/e', O_RDONLY | O_DIRECTORY, /^\d+$/],
    ['a symlink on the way', 'l/f', O_RDONLY, /^(ELOOP|ENOTDIR)$/],
    ['a symlink at the end', 'd/s', O_RDONLY, /ELOOP/],
    ['a symlink at the end, its place alone', 'd/s', O_PATH, /ELOOP/],
    ['a symlink itself, asked for', 'd/s', O_PATH | O_NOFOLLOW, /^\d+$/],
    ['a symlink for a directory', 'l', O_PATH | O_DIRECTORY, /^(ELOOP|ENOTDIR)$/],
    ['a file for a directory', 'd/f/x', O_RDONLY, /ENOTDIR/],
    ['nothing', 'd/none', O_RDONLY, /ENOENT/],
    ['out of it', '../x', O_RDONLY, /EXDEV/],
    ['out of it at the end', 'd/../..', O_PATH, /EXDEV/],
  ]
  for (const [why, name, flags, want] of rows) {
    const kernel = opened(new BeneathOpener(), fd, name, flags)
    t.match(kernel, want, `${why}: the kernel`)
    for (const code of ['ENOSYS', 'EPERM']) {
      const other = opened(new BeneathOpener(failing(code).openat2), fd, name, flags)
      t.match(other, want, `${why}: ${code}`)
      if (/^\d+$/.test(kernel)) t.equal(other, kernel, `${why}: ${code}: the same file`)
    }
  }
})

/** The inode of the opened file, or the code of the error. No descriptor may be left open. */
function opened(opener: BeneathOpener, dirfd: number, name: string, flags: number): string {
  const before = fs.readdirSync('/proc/self/fd').length
  const result = attempted(opener, dirfd, name, flags)
  return fs.readdirSync('/proc/self/fd').length === before ? result : `${result}, and a descriptor is left`
}

function attempted(opener: BeneathOpener, dirfd: number, name: string, flags: number): string {
  try {
    const fd = opener.open(dirfd, name, { flags, mode: 0 })
    const { ino } = fs.fstatSync(fd)
    fs.closeSync(fd)
    return String(ino)
  } catch (error) {
    return (error as { code: string }).code
  }
}

t.test('Rooted on such a kernel', async t => {
  const dir = tempDir(t, 'rooted')
  fs.mkdirSync(path.join(dir, 'd'))
  fs.writeFileSync(path.join(dir, 'd/f'), 'text')
  fs.symlinkSync('/d/f', path.join(dir, 'l'))
  const kernel = failing('ENOSYS')
  const root = Rooted.open(dir, kernel)
  t.teardown(() => root.close())
  t.equal(root.readFile('l', 100)?.toString(), 'text')
  fs.closeSync(root.open('d/new', O_WRONLY | O_CREAT | O_EXCL, 0o600))
  t.equal(fs.statSync(path.join(dir, 'd/new')).mode & 0o777, 0o600)
  t.throws(() => root.open('d/new', O_WRONLY | O_CREAT | O_EXCL, 0o600), { code: 'EEXIST' })
  t.equal(kernel.calls(), 1, 'it is asked once')
  const refusing = Rooted.open(dir, failing('EACCES'))
  t.teardown(() => refusing.close())
  t.throws(
    () => refusing.open('d/f', O_RDONLY),
    /permission denied/,
    'other errors are no sign of an old kernel',
  )
})

// Regular files by the names that entries of a layer have.
import fs from 'node:fs'
import path from 'node:path'
import { tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { Rooted } from '../src/index.js'

t.test('openRegular', async t => {
  const dir = tempDir(t, 'rooted')
  const root = path.join(dir, 'root')
  fs.mkdirSync(path.join(root, 'usr/lib'), { recursive: true })
  fs.writeFileSync(path.join(dir, 'secret'), 'outside')
  fs.writeFileSync(path.join(root, 'usr/lib/file'), 'text')
  fs.symlinkSync('usr/lib', path.join(root, 'lib'))
  fs.symlinkSync('/usr/lib', path.join(root, 'absolute'))
  fs.symlinkSync('..', path.join(root, 'up'))
  fs.symlinkSync('usr/lib/file', path.join(root, 'link'))
  fs.symlinkSync('circle', path.join(root, 'circle'))
  const rooted = Rooted.open(root)
  t.teardown(() => rooted.close())
  const rows: readonly [name: string, found: string | undefined, why: string][] = [
    ['usr/lib/file', 'text', 'a name as it is'],
    ['./usr//lib/../lib/file', 'text', 'as some tars have it'],
    ['/usr/lib/file', 'text', 'an absolute name'],
    ['lib/file', 'text', 'through a symlink'],
    ['absolute/file', 'text', 'through an absolute symlink, inside of the root'],
    ['up/secret', undefined, 'through a symlink that leads out'],
    ['link', undefined, 'a symlink itself'],
    ['usr', undefined, 'a directory'],
    ['none', undefined, 'nothing'],
    ['usr/lib/file/x', undefined, 'below a file'],
  ]
  for (const [name, found, why] of rows) {
    const opened = rooted.openRegular(name)
    t.equal(opened && fs.readFileSync(opened.fd, 'utf8'), found, why)
    t.equal(opened?.size, found?.length)
    if (opened !== undefined) fs.closeSync(opened.fd)
  }
  t.throws(() => rooted.openRegular('../secret'), { code: 'PATH_ESCAPES' })
  t.throws(() => rooted.openRegular('circle/x'), { code: 'TOO_MANY_SYMLINKS' })
})

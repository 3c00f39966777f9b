// ADD of archives, and which files of a context an ignore file keeps.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { need, type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { changes, content, Lab } from './kit.js'

const skip = need('root', 'busybox', 'runc', 'unshare', 'setpriv')

function lab(t: Scope): Lab {
  return new Lab(tempDir(t, 'kf-run'))
}

t.test('ADD of archives', { skip: skip || need('tar', 'xz', 'bzip2', 'zstd') }, async t => {
  const here = lab(t)
  here.file('in/d/f', 'content')
  here.file('fake.tar.gz', 'no archive')
  const unpacked = ['add x dir 0755 0:0', 'add x/d dir 0750 5:6', 'add x/d/f file 0640 5:6']
  const rows: readonly [name: string, flag: string, args: string, want: readonly string[], why: string][] = [
    ['a.tar', '', '', unpacked, 'plain; the owner is that of the archive'],
    ['a.dat', '-z', '', unpacked, 'gzip, whatever its name'],
    ['a.tbz', '-j', '', unpacked, 'bzip2'],
    ['a.txz', '-J', '', unpacked, 'xz'],
    ['a.zst', '--zstd', '', unpacked, 'zstd'],
    [
      'a.tgz',
      '-z',
      '--chown=1:1',
      ['add x dir 0755 1:1', 'add x/d dir 0750 1:1', 'add x/d/f file 0640 1:1'],
      '--chown beats the archive',
    ],
    ['b.tgz', '-z', '--unpack=false', ['add x file 0644 0:0'], 'kept as it is'],
    ['fake.tar.gz', '', '', ['add x file 0644 0:0'], 'the content decides'],
  ]
  for (const [name, flag, args, want, why] of rows) {
    const make = ['--owner=5', '--group=6', '--mode=u=rwX,g=rX,o=', '-C', `${here.context}/in`, 'd/']
    if (!name.startsWith('fake'))
      execFileSync('tar', [
        '-c',
        ...flag.split(' ').filter(Boolean),
        '-f',
        `${here.context}/${name}`,
        ...make,
      ])
    const { snapshots, stderr } = await here.run(`FROM scratch\nADD ${args} ${name} /x\n`)
    t.same(changes(snapshots[0]), want, `${name}: ${why} ${stderr}`)
  }
})

t.test('ADD of archives that were appended to, or lead out', { skip: skip || need('tar') }, async t => {
  const here = lab(t)
  const tar = (...args: string[]): void => void execFileSync('tar', ['-C', here.context, ...args])
  here.file('f', 'old')
  tar('-cf', `${here.context}/twice.tar`, 'f')
  fs.writeFileSync(path.join(here.context, 'f'), 'new')
  tar('-rf', `${here.context}/twice.tar`, 'f')
  tar('-cPf', `${here.context}/up.tar`, '--transform', 's,^,../../,', 'f')
  here.file('l', '->/tmp')
  tar('-cf', `${here.context}/through.tar`, 'l')
  tar('-rPf', `${here.context}/through.tar`, '--transform', 's,^,l/,', 'f')
  t.equal(
    content((await here.run('FROM scratch\nADD twice.tar /\n')).snapshots[0], 'f'),
    'new',
    'the last one counts',
  )
  t.match((await here.run('FROM scratch\nADD up.tar /d\n')).stderr, /\[PATH_ESCAPES\]/, 'a name that climbs')
  here.file('.wh.f', 'w')
  here.file('.wh..wh.x/g', 'g')
  here.file('.wh..wh..opq', '')
  tar('-cf', `${here.context}/hidden.tar`, '.wh.f', '.wh..wh.x', '.wh..wh..opq')
  const hidden = (await here.run('FROM scratch\nCOPY f /d/f\nADD hidden.tar /d/\n')).snapshots[1]
  t.equal(content(hidden, 'd/.wh.f'), 'w', 'an archive is no layer: it hides nothing')
  t.equal(content(hidden, 'd/.wh..wh.x/g'), 'g', 'nothing in it is left out')
  t.throws(() => changes(hidden), { code: 'WHITEOUT_NAME' }, 'but no layer can hold that')
  const through = await here.run('FROM scratch\nADD through.tar /d\n')
  t.notOk(fs.existsSync('/tmp/f'), 'a symlink of the archive stays in the image')
  t.match(through.status, /[01]/)
})

/** Writes another name or type flag into the first header of a tar, and corrects its checksum. */
function patchHeader(file: string, { name, flag }: { readonly name: string; readonly flag: string }): void {
  const bytes = fs.readFileSync(file)
  const header = bytes.subarray(0, 512)
  header.fill(0, 0, 100).fill(' ', 148, 157).write(name, 0, 'latin1')
  header.write(flag, 156, 'latin1')
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1')
  fs.writeFileSync(file, bytes)
}

t.test('ADD of archives whose first entry has no name', { skip: skip || need('tar') }, async t => {
  const here = lab(t)
  here.file('tree/f', 'in')
  const archive = (name: string): string => {
    const file = path.join(here.context, name)
    execFileSync('tar', ['-C', path.join(here.context, 'tree'), '-cf', file, '.'])
    return file
  }
  patchHeader(archive('root.tar'), { name: '', flag: '5' })
  patchHeader(archive('link.tar'), { name: 'l', flag: '2' })
  const { snapshots, stderr } = await here.run('FROM scratch\nADD root.tar /d/\n')
  t.equal(content(snapshots[0], 'd/f'), 'in', `a directory without a name is the root: ${stderr}`)
  const link = await here.run('FROM scratch\nADD link.tar /d/\n')
  t.match(
    link.stderr,
    /the symlink has no target \[TAR_INVALID\]/,
    'a broken archive is no file to be copied',
  )
  t.equal(link.status, 1)
})

t.test('ignore files that take folders back in', { skip }, async t => {
  const here = lab(t)
  for (const name of ['config/.env', 'config/a', 'src/deep/b', 'src/c']) here.file(name, name)
  const copy = async (ignore: string, source = '.') => {
    here.file('.dockerignore', ignore)
    const { snapshots, stderr } = await here.run(`FROM scratch\nCOPY ${source} /t/\n`)
    const [snapshot] = snapshots
    const files = snapshot === undefined ? [] : changes(snapshot).map(line => line.split(' ')[1])
    return { files, snapshot, stderr }
  }
  const secret = await copy('sh\n**/.env\n!config\n')
  t.same(secret.files.slice(2, 4), ['t/config', 't/config/a'], 'the secret stays out')
  t.match(
    (await copy('**/.env\n!config\n', 'config/.env')).stderr,
    /leaves it out.*\[NOT_FOUND\]/,
    'by its name, too',
  )
  const emptied = await copy('*\n!src/deep\nsrc\n')
  t.same(emptied.files, ['t', 't/src', 't/src/deep', 't/src/deep/b'], 'what the engine lists')
  t.equal(content(emptied.snapshot, 't/src/deep/b'), '', 'what it does not give')
  t.match(emptied.stderr, /"\/t\/src\/deep\/b" is empty: .*\.dockerignore/, 'and it is said')
  const whole = await copy('*\n!src/deep\n')
  t.equal(content(whole.snapshot, 't/src/deep/b'), 'src/deep/b', 'with other patterns another key')
  const wrong = await copy('[Local-Only]/\n')
  t.match(wrong.stderr, /pattern "\[Local-Only\]": the range l-O ends before it begins \[PATTERN_INVALID\]/)
})

// COPY --link and ADD --link: such a step is executed on an empty root, so the files below it change neither the step
// nor its key.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { SnapshotRecord } from '@pipelayer/records'
import { need, type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { changes, Lab, type Run } from './kit.js'

const skip = need('root', 'busybox', 'runc', 'unshare', 'setpriv', 'tar')

/** A base with a directory, symlinks (one of them without a target), a file, and accounts; its names are below /t. */
const BASE = `FROM scratch
COPY sh /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "/bin/busybox --install -s /bin"]
RUN mkdir -p /t/dir/inner /etc && chmod 700 /t/dir && chown 5:6 /t/dir && echo > /t/dir/inner/old && \
  ln -s dir /t/ln && ln -s /nowhere /t/gone && echo file > /t/file && echo joe:x:7:8::/:/bin/sh > /etc/passwd
`
/** Writes a list of all that is in /t into /out. */
const LIST = `RUN cd /t && find . | sort | xargs stat -c '%n %F %a %u:%g %N' > /out\n`

function lab(t: Scope): Lab {
  const here = new Lab(tempDir(t, 'kf-link'))
  here.file('f', '1')
  here.file('tree/ln/x', 'x')
  here.file('tree/deep/y', 'y')
  here.file('tree/skip', 's')
  execFileSync('tar', [
    '-C',
    path.join(here.context, 'tree'),
    '--owner=3',
    '--group=4',
    '-cf',
    `${here.context}/a.tar`,
    '.',
  ])
  return here
}

const keys = (run: Run): (string | undefined)[] => run.snapshots.map(({ cacheKey }) => cacheKey)
const upperOf = ({ upper, after }: SnapshotRecord): string => upper ?? after ?? ''

function listed(run: Run): string[] {
  const last = run.snapshots.at(-1)
  const file = path.join(last ? upperOf(last) : '', 'out')
  return fs.readFileSync(file, 'utf8').replaceAll("'", '').trim().split('\n')
}

t.test('what a step makes, and what is seen of it', { skip }, async t => {
  const here = lab(t)
  const rows: readonly [step: string, made: readonly string[], seen: readonly string[], why: string][] = [
    [
      'COPY --link f /t/dir',
      ['add t dir 0755 0:0', 'add t/dir file 0644 0:0'],
      ['./dir regular file 644 0:0 ./dir', './ln symbolic link 777 0:0 ./ln -> dir'],
      'a file takes the place of a directory',
    ],
    [
      'COPY --link f /t/dir/',
      ['add t dir 0755 0:0', 'add t/dir dir 0755 0:0', 'add t/dir/f file 0644 0:0'],
      [
        './dir directory 755 0:0 ./dir',
        './dir/f regular file 644 0:0 ./dir/f',
        './dir/inner/old regular file 644 0:0 ./dir/inner/old',
      ],
      'directories merge, with the mode and owner of the step',
    ],
    [
      'COPY --link f /t/ln/',
      ['add t dir 0755 0:0', 'add t/ln dir 0755 0:0', 'add t/ln/f file 0644 0:0'],
      ['./ln directory 755 0:0 ./ln', './ln/f regular file 644 0:0 ./ln/f', './dir directory 700 5:6 ./dir'],
      'a symlink is replaced, not followed',
    ],
    [
      'COPY --link f /t/gone/x/y',
      [
        'add t dir 0755 0:0',
        'add t/gone dir 0755 0:0',
        'add t/gone/x dir 0755 0:0',
        'add t/gone/x/y file 0644 0:0',
      ],
      ['./gone directory 755 0:0 ./gone'],
      'on the way too',
    ],
    [
      'COPY --link f /t/file/x',
      ['add t dir 0755 0:0', 'add t/file dir 0755 0:0', 'add t/file/x file 0644 0:0'],
      ['./file directory 755 0:0 ./file'],
      'as a file is',
    ],
    [
      'WORKDIR /t/ln\nCOPY --link --chown=3:4 f g',
      ['add t dir 0755 3:4', 'add t/ln dir 0755 3:4', 'add t/ln/g file 0644 3:4'],
      ['./ln/g regular file 644 3:4 ./ln/g'],
      'a working directory is a path, too',
    ],
    [
      'COPY --link --exclude=skip --exclude=deep tree /t/',
      ['add t dir 0755 0:0', 'add t/ln dir 0755 0:0', 'add t/ln/x file 0644 0:0'],
      ['./ln directory 755 0:0 ./ln'],
      '--exclude',
    ],
    [
      'COPY --link --parents tree/deep/y /t/',
      [
        'add t dir 0755 0:0',
        'add t/tree dir 0755 0:0',
        'add t/tree/deep dir 0755 0:0',
        'add t/tree/deep/y file 0644 0:0',
      ],
      ['./tree/deep/y regular file 644 0:0 ./tree/deep/y'],
      '--parents',
    ],
    [
      'ADD --link a.tar /t/',
      [
        'add t dir 0755 3:4',
        'add t/deep dir 0755 3:4',
        'add t/deep/y file 0644 3:4',
        'add t/ln dir 0755 3:4',
        'add t/ln/x file 0644 3:4',
        'add t/skip file 0644 3:4',
      ],
      ['./ln directory 755 3:4 ./ln'],
      'an archive',
    ],
    [
      'COPY --link <<h /t/ln\ntext\nh',
      ['add t dir 0755 0:0', 'add t/ln file 0644 0:0'],
      ['./ln regular file 644 0:0 ./ln'],
      'a heredoc',
    ],
    [
      'COPY --link f /t/dir/\nCOPY --link tree /t/dir/\nCOPY --link f /t/dir/',
      ['add t dir 0755 0:0', 'add t/dir dir 0755 0:0', 'add t/dir/f file 0644 0:0'],
      ['./dir/deep/y regular file 644 0:0 ./dir/deep/y', './dir/f regular file 644 0:0 ./dir/f'],
      'one step twice',
    ],
  ]
  for (const [step, made, seen, why] of rows) {
    const run = await here.run(`${BASE}${step}\n${LIST}`)
    t.equal(run.status, 0, run.stderr)
    const linked = run.snapshots.at(-2)
    t.same(linked?.lowers, [], `${step}: on nothing`)
    t.same(changes(linked), made, `${step}: ${why}`)
    const names = listed(run)
    t.same(
      seen.filter(line => !names.includes(line)),
      [],
      `${step}: seen by the next step: ${names.join('; ')}`,
    )
    const copied = await here.run(`${BASE}${step}\n${LIST}`, '--overlays none --store copies')
    t.equal(copied.status, 0, copied.stderr)
    t.equal(copied.snapshots.at(-2)?.before, undefined, 'as whole copies on nothing, too')
    t.same(listed(copied), names, `${step}: the same in whole copies`)
  }
})

t.test('what it depends on', { skip }, async t => {
  const here = lab(t)
  const tail = 'COPY --link f /t/\nCOPY --link --chown=joe f /t/named\n'
  const first = await here.run(`${BASE}${tail}RUN true\n`)
  const link = keys(first)[3]
  t.match(changes(first.snapshots[4]), ['add t/named file 0644 7:8'], 'a name is found below')
  const plain = await here.run(`${BASE}COPY --link --chmod=600 f /t/ln/\nCOPY --link --chown=joe f /t/ln/g\n`)
  t.same(
    changes(plain.snapshots[3]),
    ['add t/dir/f file 0600 0:0'],
    'with --chmod as without --link, as BuildKit does',
  )
  t.same(changes(plain.snapshots[4]), ['add t/dir/g file 0644 7:8'], 'with a name, too')
  const alone = await here.run('FROM scratch\nCOPY --link f /t/\n')
  t.match(alone.stderr, /: COPY --link f \/t\/ \(cached\)$/m, 'on another base it is there')
  const anew = await here.run(`${BASE}${tail}RUN true\n`, '--no-cache')
  t.notMatch(anew.stderr, /cached/)
  t.not(keys(anew)[3], link, '--no-cache')
  t.same(keys(await here.run(`${BASE}${tail}RUN true\n`)), keys(anew), 'and what that made is found')
})

t.test('in a cache for others', { skip }, async t => {
  const here = lab(t)
  const text = (more: string): string =>
    `${BASE}${more}COPY --link f /t/dir/\nCOPY --link f /t/\nRUN cat /t/dir/f > /out\n`
  const cache = `oci:${here.dir}/cache:1`
  const made = await here.run(text(''), `--cache-to ${cache} --store one`)
  t.equal(made.status, 0, made.stderr)
  const same = await here.run(text(''), `--cache-from ${cache} --store two`)
  t.equal(same.stderr.match(/\(cached in /g)?.length, 6, same.stderr)
  const other = await here.run(text('RUN echo > /more\n'), `--cache-from ${cache} --store three --snapshots`)
  t.match(other.stderr, /COPY --link f \/t\/dir\/ \(cached in /, 'upon another step')
  t.match(other.stderr, /COPY --link f \/t\/ \(cached in /)
  t.match(other.stderr, /: RUN cat \/t\/dir\/f > \/out$/m, 'what follows is executed')
  t.equal(fs.readFileSync(path.join(other.snapshots.at(-1)?.upper ?? '', 'out'), 'utf8'), '1')
})

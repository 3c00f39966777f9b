import fs from 'node:fs'
import path from 'node:path'
import { childrenOf, isAlive, mountsBelow, need, type Scope, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { changes, content, Lab } from './kit.js'

const skip = need('root', 'busybox', 'runc', 'unshare', 'setpriv')
const AS_USER = { before: 'setpriv --reuid 65534 --regid 65534 --clear-groups' }
const BUSYBOX = 'FROM scratch\nCOPY sh /bin/sh\n'

function lab(t: Scope): Lab {
  return new Lab(tempDir(t, 'kf-run'))
}

t.test('what COPY, ADD and WORKDIR change', { skip }, async t => {
  const here = lab(t)
  here.file('a/x', 'x')
  here.file('a/.hidden', 'h')
  here.file('a/deep/y', 'y')
  here.file('b.txt', 'b')
  here.file('c.txt', 'c')
  here.file('link', '->b.txt')
  fs.linkSync(path.join(here.context, 'b.txt'), path.join(here.context, 'a/b2'))
  const rows: readonly [step: string, want: readonly string[], why: string][] = [
    ['COPY b.txt /n', ['add n file 0644 0:0'], 'a file, renamed'],
    ['COPY b.txt /d/', ['add d dir 0755 0:0', 'add d/b.txt file 0644 0:0'], 'into a directory that is made'],
    [
      'COPY a /d',
      [
        'add d dir 0755 0:0',
        'add d/.hidden file 0644 0:0',
        'add d/b2 file 0644 0:0',
        'add d/deep dir 0755 0:0',
        'add d/deep/y file 0644 0:0',
        'add d/x file 0644 0:0',
      ],
      'the contents of a directory',
    ],
    [
      'COPY *.txt /d/',
      ['add d dir 0755 0:0', 'add d/b.txt file 0644 0:0', 'add d/c.txt file 0644 0:0'],
      'a wildcard',
    ],
    ['COPY nothing* /d/', [], 'a wildcard without a match'],
    ['COPY link /l', ['add l file 0644 0:0'], 'a symlink as source is followed'],
    ['COPY --chown=5:6 --chmod=u=rwx,go= b.txt /n', ['add n file 0700 5:6'], 'owner and mode'],
    [
      'COPY --chown=5 b.txt /d/',
      ['add d dir 0755 5:5', 'add d/b.txt file 0644 5:5'],
      'of directories on the way too',
    ],
    [
      'COPY --parents a/deep/y /p/',
      [
        'add p dir 0755 0:0',
        'add p/a dir 0755 0:0',
        'add p/a/deep dir 0755 0:0',
        'add p/a/deep/y file 0644 0:0',
      ],
      'with its path',
    ],
    [
      'COPY --parents ./a/./deep/* /p/',
      ['add p dir 0755 0:0', 'add p/deep dir 0755 0:0', 'add p/deep/y file 0644 0:0'],
      'from the pivot on',
    ],
    [
      'COPY --exclude=deep --exclude=.h* a /d',
      ['add d dir 0755 0:0', 'add d/b2 file 0644 0:0', 'add d/x file 0644 0:0'],
      'but for what is excluded',
    ],
    [
      'COPY --exclude=*.txt b.txt c.txt a/x /d/',
      [
        'add d dir 0755 0:0',
        'add d/b.txt file 0644 0:0',
        'add d/c.txt file 0644 0:0',
        'add d/x file 0644 0:0',
      ],
      'a file that is a source itself stays',
    ],
    [
      'COPY <<one <<"two" /d/\n$X\none\n$X\ntwo',
      ['add d dir 0755 0:0', 'add d/one file 0644 0:0', 'add d/two file 0644 0:0'],
      'heredocs',
    ],
    ['WORKDIR /a/b', ['add a dir 0755 0:0', 'add a/b dir 0755 0:0'], 'a working directory is made'],
    ['WORKDIR /', [], 'the root is there'],
  ]
  for (const [step, want, why] of rows) {
    const { snapshots, stderr, status } = await here.run(`FROM scratch\n${step}\n`)
    t.equal(status, 0, stderr)
    t.same(snapshots[0] ? changes(snapshots[0]) : [], want, `${step}: ${why}`)
  }
})

t.test('as an ordinary user', { skip }, async t => {
  const here = lab(t)
  fs.chmodSync(here.dir, 0o777)
  const dockerfile = `${BUSYBOX}RUN [ "$(id -u)" = 0 ] && echo > /f && rm /bin/sh\n`
  const { snapshots, stderr, status } = await here.run(dockerfile, '--snapshots', AS_USER)
  t.equal(status, 0, stderr)
  t.match(stderr, /warning: no user but root exists in steps: \/etc\/subuid has no range of ids for nobody/)
  t.match(snapshots[1], { xattrs: 'user', idMap: { uid: [[0, 65534, 1]], gid: [[0, 65534, 1]] } })
  t.ok(fs.existsSync(path.join(snapshots[1]?.upper ?? '', 'f')), stderr)
  const other = await here.run('FROM scratch\nCOPY --chown=7 sh /x\n', '', AS_USER)
  t.match(other.stderr, /cannot give ".*" to 7:7.*\/etc\/subuid.*\[OWNER_NOT_MAPPED\]/)
  const run = await here.run(`${BUSYBOX}USER 7\nRUN true\n`, '', AS_USER)
  t.match(run.stderr, /cannot run as 7:0: id 7 does not exist here.*\/etc\/subuid.*\[OWNER_NOT_MAPPED\]/)
})

t.test('names stay inside', { skip }, async t => {
  const here = lab(t)
  here.file('passwd', '->/etc/passwd')
  here.file('up', '->../../../../../../etc')
  here.file('inner/etc/shadow', 'mine')
  here.file('root', '->/inner')
  const outside: readonly [step: string, why: string][] = [
    ['COPY passwd /x', 'an absolute symlink is resolved in the context: CVE-2026-44517'],
    ['COPY up/passwd /x', 'so is one that climbs'],
    ['COPY ../../etc/passwd /x', 'and a name that does'],
  ]
  for (const [step, why] of outside) {
    const { status, stderr, snapshots } = await here.run(`FROM scratch\n${step}\n`)
    t.equal(status, 1, why)
    t.match(stderr, /not found \[NOT_FOUND\]/, why)
    t.equal(snapshots.length, 0)
  }
  const { snapshots } = await here.run('FROM scratch\nCOPY root/etc/shadow /x\n')
  t.equal(content(snapshots[0], 'x'), 'mine', 'the root of a symlink is the context')
  const evil = `${BUSYBOX}RUN ln -s ${here.dir} /out\nCOPY passwd* inner /out/deep/\n`
  await here.run(evil)
  t.notOk(fs.existsSync(path.join(here.dir, 'deep')), "a symlink of the image's stays in the image")
})

t.test('stages, arguments, ignore files', { skip }, async t => {
  const here = lab(t)
  here.file('.dockerignore', '*\n!keep\n!sh\nkeep/not\n')
  here.file('keep/it', '1')
  here.file('keep/not', '2')
  here.file('other', '3')
  const { snapshots, config, stderr } = await here.run(
    [
      'ARG V=1',
      'FROM scratch AS unused',
      'COPY missing /',
      'FROM scratch AS files',
      'COPY . /f/',
      'FROM scratch',
      'ARG V',
      'ARG W=$V-w',
      'ENV E="$W" F=$E',
      'COPY --from=files /f/keep/ /k/',
      'ENTRYPOINT ["a"]',
      'CMD b',
      'EXPOSE 80 90-91/udp',
      'VOLUME /v',
      'LABEL l=$E',
      'USER 5',
      'STOPSIGNAL SIGTERM',
    ].join('\n'),
    '--build-arg V=2 --build-arg NOBODY=x',
    { env: { SOURCE_DATE_EPOCH: '1700000000' } },
  )
  t.same(
    changes(snapshots[0]),
    ['add k dir 0755 0:0', 'add k/it file 0644 0:0'],
    'only the target, from its own stage',
  )
  t.match(stderr, /no ARG took --build-arg NOBODY/)
  t.match(config, {
    created: '2023-11-14T22:13:20Z',
    config: {
      Env: [/^PATH=/, 'E=2-w', 'F='],
      Entrypoint: ['a'],
      Cmd: ['/bin/sh', '-c', 'b'],
      ExposedPorts: { '80/tcp': {}, '90/udp': {}, '91/udp': {} },
      Volumes: { '/v': {} },
      Labels: { l: '2-w' },
      User: '5',
      StopSignal: 'SIGTERM',
    },
  })
  t.equal(config.history.filter((entry: { empty_layer?: true }) => !entry.empty_layer).length, 1)
})

t.test('the cache', { skip }, async t => {
  const here = lab(t)
  here.file('f', '1')
  const text = `${BUSYBOX}RUN echo > /ran\nCOPY f /f\nRUN echo > /again\n`
  const first = await here.run(text)
  const executed = (stderr: string): string[] =>
    stderr
      .split('\n')
      .filter(line => /Dockerfile:/.test(line) && !line.endsWith('(cached)'))
      .map(line => line.replace(/.*Dockerfile:\d+: (\w+ \S+).*/, '$1'))
  t.equal(executed(first.stderr).length, 4)
  fs.utimesSync(path.join(here.context, 'f'), 1, 1)
  const second = await here.run(text)
  t.same(executed(second.stderr), [], 'nothing, whatever the times of files')
  t.notMatch(second.stderr, /RUN uses/, 'not even the executor is started')
  t.same(second.records, first.records, 'and the same image')
})

t.test('what is left when something is killed', { skip }, async t => {
  const victims: readonly [
    who: string,
    pick: (kfRun: number) => number,
    signal: NodeJS.Signals,
    status: number,
  ][] = [
    ['kf-run', kfRun => kfRun, 'SIGKILL', 137],
    ['the shell around the executor', kfRun => child(kfRun), 'SIGKILL', 75],
    ['unshare', kfRun => child(child(kfRun)), 'SIGKILL', 75],
    ['the executor', kfRun => child(child(child(kfRun))), 'SIGKILL', 75],
    ['kf-run, asked to stop', kfRun => kfRun, 'SIGTERM', 143],
    ['kf-run, interrupted', kfRun => kfRun, 'SIGINT', 130],
  ]
  for (const [who, pick, signal, status] of victims) {
    const here = lab(t)
    const run = here.start(`${BUSYBOX}RUN echo begun > /f; sleep 600\n`)
    await waitUntil('the step runs', () =>
      descendants(run.pid).some(pid => nameOf(pid).includes('sleep 600')),
    )
    const all = descendants(run.pid)
    process.kill(pick(child(run.pid)), signal)
    t.equal((await run.done).status, status, who)
    await waitUntil(`${who}: all processes are gone`, () => !all.some(isAlive))
    await waitUntil(
      `${who}: the work directory is gone`,
      () => fs.readdirSync(path.join(here.store, 'tmp')).length === 0,
    )
    t.same(mountsBelow(here.dir), [], `${who}: no mount`)
    t.same(
      fs.readdirSync(path.join(here.store, 'steps/root')).length,
      1,
      `${who}: only the finished step stays`,
    )
  }
})

function child(pid: number): number {
  const [first] = childrenOf(pid)
  if (first === undefined) throw new Error(`${pid} has no child`)
  return first
}

function descendants(pid: number): number[] {
  return childrenOfThreads(pid).flatMap(each => [each, ...descendants(each)])
}

// runc may start processes from any of its threads, and /proc lists the children of each thread separately.
function childrenOfThreads(pid: number): number[] {
  try {
    const threads = fs.readdirSync(`/proc/${pid}/task`)
    const lists = threads.map(tid => fs.readFileSync(`/proc/${pid}/task/${tid}/children`, 'utf8'))
    return lists.flatMap(list =>
      list
        .split(' ')
        .filter(word => word !== '')
        .map(Number),
    )
  } catch {
    return []
  }
}

function nameOf(pid: number): string {
  try {
    return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

// Steps that try to reach the host, each other, secrets, or all resources.

import { execFileSync, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { childrenOf, mountsBelow, need, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { changes, content, Lab, type RunOptions } from './kit.js'

const skip = need('root', 'busybox', 'runc', 'unshare', 'setpriv')
const BUSYBOX = 'FROM scratch\nCOPY sh /bin/sh\n'

t.test('mounts stay inside the image', { skip }, async t => {
  const here = new Lab(path.join(tempDir(t, 'hostile'), 'lab'))
  const host = path.join(here.dir, 'host')
  fs.mkdirSync(path.join(host, 'b'), { recursive: true })
  fs.utimesSync(host, 1, 1)
  here.file('up', '->../../../../../../etc')
  here.file('evil/out', '->/etc')
  const rows: readonly [step: string, want: readonly string[] | RegExp, why: string][] = [
    [
      'RUN --mount=type=bind,source=up/passwd,target=/m true',
      /not found.*\[NOT_FOUND\]/,
      'a symlink of the context: CVE-2024-1753',
    ],
    [
      'RUN --mount=type=bind,source=../../../etc/passwd,target=/m true',
      /\[NOT_FOUND\]/,
      'a name that climbs',
    ],
    [
      'RUN --mount=type=bind,from=evil,source=/out/shadow,target=/m true',
      /\[NOT_FOUND\]/,
      'a symlink of a stage: CVE-2024-9407',
    ],
    [
      `RUN ln -s ${host} /out; true\nRUN --mount=type=tmpfs,target=/out/deep/er echo > /out/deep/er/x`,
      [],
      'a target behind a symlink is one of the image: CVE-2024-9675',
    ],
    [
      `RUN --mount=type=tmpfs,target=/a/b mv /a /c; ln -s ${host} /a`,
      ['add a symlink 0777 0:0', 'add c dir 0755 0:0', 'add c/b dir 1777 0:0'],
      'a mount point that became a symlink is left alone: CVE-2024-23652',
    ],
    ['RUN --mount=type=cache,id=../../x,target=/c echo > /c/y', [], 'the id of a cache is no path'],
    ['RUN --mount=type=cache,target=/c ln -s /etc /c/z', [], 'a symlink in a cache'],
    ['RUN --mount=type=cache,target=/c [ -L /c/z ]', [], 'is one still'],
  ]
  for (const [step, want, why] of rows) {
    const { snapshots, stderr, status } = await here.run(
      `FROM scratch AS evil\nCOPY evil /\n${BUSYBOX}${step}\n`,
    )
    if (want instanceof RegExp) t.match(stderr, want, why)
    else
      t.same([status, snapshots.length > 0 ? changes(snapshots.at(-1)) : []], [0, want], `${why} ${stderr}`)
  }
  t.same(fs.readdirSync(host), ['b'], 'nothing of the host was touched')
  t.equal(fs.statSync(host).mtimeMs, 1000)
})

t.test('the machine is out of reach', { skip }, async t => {
  const here = new Lab(tempDir(t, 'hostile'))
  const rows: readonly [step: string, why: string][] = [
    ['! echo x > /proc/sys/kernel/domainname', 'settings of the kernel'],
    [
      '! echo > /proc/sysrq-trigger && ! echo > /proc/irq/default_smp_affinity',
      'what root may else write to',
    ],
    ['! mkdir /sys/x && ! mkdir /sys/fs/cgroup/*/x', 'sysfs and cgroups'],
    [
      '[ -z "$(cat /proc/keys /proc/timer_list)" ] && [ -z "$(ls -A /sys/firmware)" ]',
      'what it need not know',
    ],
    [
      '! mount -t tmpfs t /mnt && ! umount /etc/hosts && ! mknod /d b 8 0 || ! head -c1 /d',
      'mounts and disks',
    ],
    ['[ "$(ls /dev | grep -c "^[sv]d")" = 0 ]', 'devices'],
    ['! kill -0 2000000 && [ "$(ls /proc | grep -c "^[0-9]*$")" -lt 9 ]', 'processes'],
  ]
  fs.chmodSync(here.dir, 0o777)
  const before = 'setpriv --reuid 65534 --regid 65534 --clear-groups'
  const ways: readonly [args: string, options: RunOptions][] = [
    ['--runtime runc', {}],
    ['--runtime chroot', {}],
    [`--runtime chroot --store ${here.dir}/of-a-user`, { before }],
  ]
  for (const [args, options] of ways)
    for (const [step, why] of rows) {
      const { status, stderr } = await here.run(`${BUSYBOX}RUN ${step}\n`, `${args} --no-cache`, options)
      t.equal(status, 0, `${why}, ${args}: ${stderr}`)
    }
})

t.test('a secret is nowhere but in the step', { skip }, async t => {
  const dir = tempDir(t, 'secret')
  const here = new Lab(path.join(dir, 'lab'))
  const [first, second] = ['correct-horse-battery', 'staple-of-the-barn']
  fs.writeFileSync(path.join(dir, 'file'), first)
  const args = `--secret id=a,src=${dir}/file --secret id=b,env=B`
  const mounts = '--mount=type=secret,id=a --mount=type=secret,id=b,env=SEEN'
  for (const [runtime, end] of [
    ['runc', 'true'],
    ['chroot', 'true'],
    ['runc', 'false'],
    ['chroot', 'false'],
  ]) {
    const step = `RUN ${mounts} [ "$(cat /run/secrets/a) $SEEN" = "${first.slice(0, 7)}-horse-battery ${second.slice(0, 6)}-of-the-barn" ] && ${end}`
    // The step puts the word together, because otherwise it would find the word in its own command line.
    const hidden = step
      .replace(`${first.slice(0, 7)}-`, '$(printf correct-)')
      .replace(`${second.slice(0, 6)}-`, '$(printf staple-)')
    const shared = `--cache-to oci:${here.dir}/cache --log-format json`
    const run = await here.run(`${BUSYBOX}${hidden}\n`, `${args} --runtime ${runtime} --no-cache ${shared}`, {
      env: { B: second },
    })
    t.equal(run.status, end === 'true' ? 0 : 1, run.stderr)
    const everything = `${JSON.stringify(run.records)}${run.stderr}`
    for (const secret of [first, second]) {
      t.notMatch(everything, secret, `${runtime}, ${end}: in no record and no message`)
      for (const text of [secret, Buffer.from(secret).toString('base64').slice(0, 20)]) {
        const found = execFileSync('sh', ['-c', 'grep -rlaF -- "$1" "$2" || :', 'sh', text, here.dir])
        t.equal(found.toString(), '', `${runtime}, ${end}: in no file of the store, nor of a shared cache`)
      }
    }
  }
})

t.test('a secret is in no command line', { skip }, async t => {
  const dir = tempDir(t, 'secret')
  const here = new Lab(path.join(dir, 'lab'))
  fs.writeFileSync(path.join(dir, 'file'), 'correct-horse-battery')
  const mounts = '--mount=type=secret,id=a,env=SEEN --mount=type=secret,id=a --mount=type=cache,target=/c'
  const step = `RUN ${mounts} [ -n "$SEEN" ] && echo > /c/begun; until [ -e /c/go ]; do sleep 0.05; done; rm /c/go /c/begun\n`
  for (const runtime of ['runc', 'chroot']) {
    const args = `--secret id=a,src=${dir}/file --runtime ${runtime} --no-cache`
    const run = here.start(`${BUSYBOX}${step}`, args)
    const caches = path.join(here.store, 'caches/root')
    const begun = (): string | undefined =>
      fs.existsSync(caches)
        ? fs.readdirSync(caches).find(name => fs.existsSync(path.join(caches, name, 'begun')))
        : undefined
    await waitUntil('the step runs', () => begun() !== undefined)
    t.ok(running('go ]; do', ''), 'the step is seen')
    t.notOk(running('correct-horse-battery', ''), `and its secret is not, ${runtime}`)
    fs.writeFileSync(path.join(caches, begun() ?? '', 'go'), '')
    t.equal((await run.done).status, 0)
  }
})

t.test('what a step leaves, and what it takes', { skip }, async t => {
  const dir = tempDir(t, 'hostile')
  const here = new Lab(path.join(dir, 'lab'))
  for (const runtime of ['runc', 'chroot']) {
    const mark = `987${process.pid}${runtime.length}`
    const step = `RUN (setsid sleep ${mark} &) ; nohup sleep ${mark} >/dev/null 2>&1 & echo > /done\n`
    const { status, stderr, snapshots } = await here.run(`${BUSYBOX}${step}`, `--runtime ${runtime}`)
    t.equal(status, 0, stderr)
    t.same(changes(snapshots[1]), ['add done file 0644 0:0'])
    t.notOk(running(mark), `no process is left, ${runtime}`)
    const env = { FOO: 'of-the-host', HOME: '/of-the-host' }
    const seen = await here.run(
      `${BUSYBOX}ENV HOME=/mine\nRUN env > /e\n`,
      `--runtime ${runtime} --no-cache`,
      { env },
    )
    t.notMatch(
      content(seen.snapshots[1], 'e'),
      'of-the-host',
      `the host's environment: CVE-2021-3602, ${runtime}`,
    )
    t.match(content(seen.snapshots[1], 'e'), 'HOME=/mine', 'the image says where home is')
  }
  // The store is on a small disk that is full at once.
  const small = path.join(dir, 'small')
  fs.mkdirSync(small)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', small])
  t.teardown(() => void execFileSync('umount', ['-l', small]))
  const env = { PIPELAYER_STORE: path.join(small, 'store') }
  const full = await here.run(`${BUSYBOX}RUN dd if=/dev/zero of=/big bs=1M\n`, '', { env })
  t.equal(full.status, 75)
  t.match(full.stderr, /No space left on device.*; the disk of the store is full \[RUN_FAILED\]/s)
  t.same(fs.readdirSync(path.join(env.PIPELAYER_STORE, 'tmp')), [], 'what it wrote is gone')
  const after = await here.run(`${BUSYBOX}RUN echo > /small\n`, '', { env })
  t.equal(after.status, 0, after.stderr)
  t.match(after.stderr, /COPY sh \/bin\/sh \(cached\)/, 'and the store is whole')
  t.same(mountsBelow(here.dir), [])
})

t.test('a container that is killed while it is made', { skip }, async t => {
  const here = new Lab(tempDir(t, 'hostile'))
  const list = (dir: string): string[] => (fs.existsSync(dir) ? fs.readdirSync(dir) : [])
  for (let time = 0; time < 8; time++) {
    const run = here.start(`${BUSYBOX}${'RUN true\n'.repeat(8)}`, '--runtime runc --no-cache')
    const ids: string[] = []
    const tmp = path.join(here.store, 'tmp')
    // The processes are looked for as often as possible, since containers that the runtime has not recorded yet exist
    // only for a moment.
    while (!ids.some(id => id.endsWith(`-${1 + (time % 4)}`))) {
      for (const work of list(tmp)) ids.push(...list(path.join(tmp, work, 'runtime')))
      await setImmediate()
    }
    const before = performance.now() + time * 3
    while (performance.now() < before);
    const [shell = 0] = childrenOf(run.pid)
    process.kill(shell, 'SIGKILL')
    await run.done
    await waitUntil('the work directory is gone', () => list(tmp).length === 0)
    // Other cgroups come and go meanwhile: find reports them, and goes on.
    const name = `${ids[0]?.replace(/\d+$/, '')}*`
    const found = spawnSync('find', ['/sys/fs/cgroup', '-name', name], { encoding: 'utf8' })
    t.equal(found.stdout, '', 'no cgroup is left')
  }
})

t.test('accounts of an image that is hostile', { skip }, async t => {
  const here = new Lab(path.join(tempDir(t, 'hostile'), 'lab'))
  here.file('huge', `root:x:0:0::/root:/bin/sh\n${'#'.repeat(5 * 1024 * 1024)}`)
  here.file('l/etc/passwd', '->/etc/shadow')
  here.file('m/etc/passwd', '->../../../../../../../../../../real')
  here.file('m/real', 'u:x:7:8::/h:/bin/sh\n')
  const rows: readonly [steps: string, want: RegExp | undefined, why: string][] = [
    [
      'COPY huge /etc/passwd\nUSER root\nRUN true',
      /passwd" has \d+ bytes, more than.*\[FILE_TOO_LARGE\]/,
      'CVE-2024-9676',
    ],
    ['COPY huge /etc/passwd\nCOPY --chown=x sh /y', /\[FILE_TOO_LARGE\]/, 'of files too'],
    ['COPY l /\nUSER daemon\nRUN true', /\[USER_UNKNOWN\]/, "a symlink to the host's file"],
    ['COPY m /\nUSER u\nRUN [ "$(id -u):$(id -g)" = 7:8 ]', undefined, 'a symlink inside the image'],
    [
      'RUN mkdir -p /etc; mkfifo /etc/passwd\nUSER 7\nRUN true',
      /no file \[ACCOUNTS_INVALID\]/,
      'a pipe, where runc would wait',
    ],
    ['USER 4294967296\nRUN true', /\[USER_INVALID\]/, 'an id that would wrap: CVE-2024-40635'],
  ]
  for (const [steps, want, why] of rows) {
    const { status, stderr } = await here.run(`${BUSYBOX}${steps}\n`)
    if (want === undefined) t.equal(status, 0, `${why} ${stderr}`)
    else t.match(stderr, want, why)
  }
})

/** Whether a process has these words in its command line. */
function running(mark: string, program = 'sleep\0'): boolean {
  return fs.readdirSync('/proc').some(pid => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(`${program}${mark}`)
    } catch {
      return false
    }
  })
}

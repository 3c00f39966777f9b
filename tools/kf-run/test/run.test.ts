// RUN: its user, its environment and files, its mounts, and how it fails.
import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { need, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { changes, content, Lab } from './kit.js'

const skip = need('root', 'busybox', 'runc', 'unshare', 'setpriv')
const BUSYBOX = 'FROM scratch\nCOPY sh /bin/sh\n'

t.test('RUN', { skip }, async t => {
  const here = new Lab(tempDir(t, 'kf-run'))
  const rows: readonly [args: string, why: string][] = [
    ['--runtime runc', 'by runc'],
    ['--runtime chroot --no-cache', 'by chroot'],
  ]
  const accounts =
    'COPY <<passwd <<group /etc/\nu:x:7:8::/h:/bin/sh\npasswd\nx:x:8:\ny:x:9:u\nz:x:10:u\ngroup\n'
  for (const [args, why] of rows) {
    const { snapshots, stderr, status } = await here.run(
      `${BUSYBOX}ENV A=1 LD_LIBRARY_PATH=/l\nUSER 7:8\nWORKDIR /w\nRUN echo to stderr >&2; [ "$(hostname)" = buildkitsandbox ] && [ "$A $LD_LIBRARY_PATH $(pwd) $(id -u):$(id -g)" = "1 /l /w 7:8" ]\nUSER 0\nRUN ["/bin/sh","-c","echo $HOME > /f; rm /bin/sh"]\n`,
      args,
    )
    t.equal(status, 0, stderr)
    t.match(stderr, /^Dockerfile:6: to stderr$/m, `its output comes through, with its name, ${why}`)
    t.same(
      snapshots.slice(1).map(changes),
      [['add w dir 0755 7:8'], [], ['delete bin/sh', 'add f file 0644 0:0']],
      `no mount point stays, ${why}`,
    )
  }
  for (const [args, why] of rows) {
    const groups = `${BUSYBOX}${accounts}USER u\nRUN [ "$(id -G) $HOME" = "8 9 10 /h" ] && ! chroot / true\n`
    const insecure = `USER 0\nRUN --security=insecure mount -t tmpfs t /etc\nRUN ! mount -t tmpfs t /etc\n`
    const { stderr, status } = await here.run(groups + insecure, `${args} --allow security.insecure`)
    t.equal(status, 0, `supplementary groups; all capabilities where they are asked for, ${why}: ${stderr}`)
  }
  const failing: readonly [step: string, want: RegExp, why: string][] = [
    ['RUN exit 7', /Dockerfile:3: RUN exit 7: ended with status 7 \[RUN_FAILED\]/, 'place, text and status'],
    ['RUN <<E\nkill -9 $PPID; exit 3\nE', /Dockerfile:3-5: .*status 3/, 'all its lines'],
    [
      'USER nobody\nRUN true',
      /"nobody" is not in the image's \/etc\/passwd \[USER_UNKNOWN\]/,
      'an unknown user',
    ],
    ['WORKDIR /proc/self/fd/8\nRUN true', /\[WORKDIR_INVALID\]/, 'CVE-2024-21626'],
    [
      'RUN --mount=type=secret,id=s,required cat /run/secrets/s',
      /\[SECRET_MISSING\]/,
      'a secret that was not given',
    ],
    ['RUN --mount=type=ssh,required true', /\[SSH_MISSING\]/, 'an agent that was not given'],
  ]
  for (const [step, want, why] of failing) {
    const { stderr, status, records } = await here.run(`${BUSYBOX}${step}\n`)
    t.equal(status, 1, why)
    t.match(stderr, want, why)
    t.equal(records.at(-1)?.type, 'error')
  }
})

t.test('resolv.conf and hosts', { skip }, async t => {
  const here = new Lab(tempDir(t, 'kf-run'))
  here.file('f/etc/resolv.conf', '# of the image\n')
  here.file('f/etc/hosts', '# of the image\n')
  fs.chmodSync(path.join(here.context, 'f/etc/hosts'), 0o600)
  here.file('l/etc/resolv.conf', '->../real/r')
  here.file('l/real/r', '# of the image\n')
  here.file('d/etc/resolv.conf', '->/run/systemd/resolve/stub-resolv.conf')
  const seen = 'grep -q -v "of the image" /etc/resolv.conf && grep -q "localhost buildkitsandbox" /etc/hosts'
  const rows: readonly [from: string, runs: string, changed: readonly string[], why: string][] = [
    ['', 'true', [], 'an image without them'],
    ['f', '! echo > /etc/hosts && ! rm /etc/resolv.conf', [], 'with them'],
    ['l', '[ -L /etc/resolv.conf ]', [], 'a symlink of the image stays one'],
    ['d', 'cat /run/systemd/resolve/stub-resolv.conf', [], 'into what is not there'],
    ['f', 'echo > /etc/x', ['add etc/x file 0644 0:0'], 'what the step writes beside them is the layer'],
  ]
  for (const runtime of ['runc', 'chroot'])
    for (const [from, runs, changed, why] of rows) {
      const copied = from === '' ? '' : `COPY ${from} /\n`
      const step = `RUN ${seen} && { ${runs}; }\n`
      const { status, stderr, snapshots } = await here.run(
        `${BUSYBOX}${copied}${step}`,
        `--runtime ${runtime} --no-cache`,
      )
      t.equal(status, 0, `${why}, ${runtime}: ${stderr}`)
      t.same(changes(snapshots.at(-1)), changed, `${why}, ${runtime}`)
    }
})

t.test('what a step prints', { skip }, async t => {
  const here = new Lab(tempDir(t, 'kf-run'))
  const step = `RUN printf 'no end'; printf '\\033[31mred\\n\\377\\n'; head -c 100000 /dev/zero | tr '\\0' x; exec >&- 2>&-; true\n`
  for (const runtime of ['runc', 'chroot']) {
    const args = `--runtime ${runtime} --no-cache`
    const { status, stderr } = await here.run(`${BUSYBOX}${step}`, args)
    t.equal(status, 0, stderr.slice(-500))
    const lines = stderr.split('\n').filter(line => line.startsWith('Dockerfile:3: '))
    t.same(
      lines.slice(0, 2),
      ['Dockerfile:3: no end\x1b[31mred', 'Dockerfile:3: \ufffd'],
      'lines, as they are',
    )
    t.equal(lines.slice(2).join('').replaceAll(/[^x]/g, '').length, 100_000, 'a long one, in pieces')
    const json = await here.run(`${BUSYBOX}${step}`, `${args} --log-format json`)
    const objects = json.stderr
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
    t.match(
      objects.find(({ level }) => level === 'output'),
      { tool: 'kf-run', from: 'Dockerfile:3', message: 'no end\x1b[31mred' },
    )
    const quiet = await here.run(`${BUSYBOX}RUN seq 1 100\n`, `${args} -q`)
    t.equal(quiet.stderr, '', 'quiet')
    const broken = await here.run(`${BUSYBOX}RUN seq 1 100; false\n`, `${args} -q`)
    t.match(
      broken.stderr,
      /^Dockerfile:3: 81\n(.*\n){18}Dockerfile:3: 100\nkf-run: .*RUN_FAILED\]\n$/,
      'its last lines',
    )
    const empty = await here.run(`${BUSYBOX}RUN [ -z "$(cat)" ] && ! read x\n`, args)
    t.equal(empty.status, 0, 'stdin is empty')
  }
})

t.test('mounts of RUN', { skip }, async t => {
  const here = new Lab(tempDir(t, 'kf-run'))
  here.file('secret', 's3cret')
  here.file('.dockerignore', 'secret')
  const { snapshots, stderr, status } = await here.run(
    [
      'FROM scratch AS other',
      'COPY <<x /x\nfrom other\nx',
      BUSYBOX.trim(),
      'RUN --mount=type=bind,target=/m [ ! -e /m/secret ] && [ -e /m/sh ] && ! touch /m/x',
      'RUN --mount=type=bind,from=other,target=/m,rw echo more >> /m/x && cat /m/x > /got',
      'RUN --mount=type=cache,target=/c echo 1 >> /c/n; cat /c/n > /n1',
      'RUN --mount=type=cache,target=/c echo 2 >> /c/n; cat /c/n > /n2',
      'RUN --mount=type=cache,target=/c,from=other cat /c/x > /seeded; echo changed > /c/x',
      'RUN --mount=type=cache,target=/c,from=other cat /c/x >> /seeded',
      'RUN --mount=type=tmpfs,target=/t echo > /t/x',
      'RUN --mount=type=secret,id=s --mount=type=secret,id=e,env=E [ "$(cat /run/secrets/s) $E" = "s3cret env" ]',
      'RUN --network=none ! ip link show eth0',
    ].join('\n'),
    `--network default --secret id=s,src=${here.context}/secret --secret id=e,env=FROM_ENV`,
    { env: { FROM_ENV: 'env' } },
  )
  t.equal(status, 0, stderr)
  t.same(
    snapshots.slice(1).map(changes),
    [
      [],
      ['add got file 0644 0:0'],
      ['add n1 file 0644 0:0'],
      ['add n2 file 0644 0:0'],
      ['add seeded file 0644 0:0'],
      ['modify seeded file 0644 0:0'],
      [],
      [],
      [],
    ],
    'nothing of a mount is in a layer',
  )
  t.equal(content(snapshots[2], 'got'), 'from other\nmore\n')
  t.equal(content(snapshots[4], 'n2'), '1\n2\n', 'a cache is kept')
  t.equal(content(snapshots[6], 'seeded'), 'from other\nchanged\n', 'one begins with a stage')
})

t.test('an agent for ssh', { skip: skip || need('ssh-agent') }, async t => {
  const dir = tempDir(t, 'agent')
  const here = new Lab(path.join(dir, 'lab'))
  const env = { ...process.env, SSH_AUTH_SOCK: path.join(dir, 'agent') }
  const agent = spawn('ssh-agent', ['-D', '-a', env.SSH_AUTH_SOCK], { stdio: 'ignore' })
  t.teardown(() => void agent.kill())
  await waitUntil('the agent listens', () => fs.existsSync(env.SSH_AUTH_SOCK))
  fs.writeFileSync(path.join(dir, 'key'), 'a key')
  const dockerfile = [
    BUSYBOX.trim(),
    'USER 7',
    'RUN --mount=type=ssh [ -z "$SSH_AUTH_SOCK" ] || [ -S "$SSH_AUTH_SOCK" ]',
    'USER 0',
    "RUN --mount=type=ssh,mode=0666,uid=7,gid=8 stat -c '%a %u:%g %n' $SSH_AUTH_SOCK > /got",
    'RUN --mount=type=ssh,id=other,target=/a [ ! -e /a ] && [ "$SSH_AUTH_SOCK" = /a ]',
  ].join('\n')
  const { snapshots, stderr, status } = await here.run(dockerfile, '--ssh default', { env })
  t.equal(status, 0, stderr)
  t.equal(content(snapshots[2], 'got').trim(), '666 7:8 /run/buildkit/ssh_agent.0')
  t.same(snapshots.slice(1).map(changes), [[], ['add got file 0644 0:0'], []], 'nothing of it is in a layer')
  const wrong = await here.run('FROM scratch\n', `--ssh default=${dir}/key`)
  t.match(wrong.stderr, /is neither the socket of an agent.*\[OPTION_INVALID\]/)
  t.equal(wrong.status, 2)
})

t.test('keys for ssh', { skip: skip || need('ssh-agent', 'ssh-add', 'ssh-keygen') }, async t => {
  const here = new Lab(tempDir(t, 'keys'))
  const [one = '', locked = ''] = ['one', 'locked'].map(name => path.join(here.dir, name))
  for (const [file, pass] of [
    [one, ''],
    [locked, 'secret'],
  ] as const)
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', pass, '-f', file])
  const text = `${BUSYBOX}RUN --mount=type=ssh stat -c '%a %F' $SSH_AUTH_SOCK > /got\n`
  const { snapshots, stderr, status } = await here.run(text, `--ssh default=${one}`)
  t.equal(status, 0, stderr)
  t.equal(content(snapshots[1], 'got').trim(), '600 socket')
  t.same(changes(snapshots[1]), ['add got file 0644 0:0'], 'nothing of them is in a layer')
  const refused = await here.run(text, `--no-cache --ssh default=${locked}`)
  t.match(
    refused.stderr,
    /^kf-run: Dockerfile:3: RUN .*: cannot use the key ".*locked": .*\[SSH_KEY_INVALID\]$/m,
  )
  t.equal(refused.status, 1)
  for (const value of [`${one}.pub`, `${one},${here.dir}/none`, here.dir]) {
    const { stderr, status } = await here.run(text, `--ssh default=${value}`)
    t.match(stderr, /is neither the socket of an agent.*\[OPTION_INVALID\]/, value)
    t.equal(status, 2)
  }
})

t.test('a program that is not there', { skip }, async t => {
  const here = new Lab(tempDir(t, 'kf-run'))
  here.file('plain', 'text')
  const rows: readonly [step: string, want: RegExp, why: string][] = [
    [
      'RUN ["/nope"]',
      /: cannot start: exec: "\/nope": .*no such file or directory \[RUN_FAILED\]/,
      'by its path',
    ],
    [
      'RUN ["nope", "x"]',
      /: cannot start: exec: "nope": .*not found in \$PATH \[RUN_FAILED\]/,
      'by its name',
    ],
    ['RUN ["/plain"]', /: cannot start: exec.*permission denied \[RUN_FAILED\]/, 'one that is no program'],
  ]
  for (const [step, want, why] of rows) {
    const { status, stderr } = await here.run(`${BUSYBOX}COPY plain /\n${step}\n`, '--runtime runc')
    t.match([status, stderr], [1, want], why)
    t.notMatch(stderr, /level=error|^Dockerfile:4: /m, `no log of the runtime comes, ${why}`)
  }
  const own = await here.run(`${BUSYBOX}RUN echo runc run failed: mine; exit 3\n`, '--runtime runc')
  t.match(own.stderr, /^Dockerfile:3: runc run failed: mine$/m, 'what a step prints is its own')
  t.match(own.stderr, /ended with status 3/)
})

// Mounts of a RUN: their order, their modes, symlinks in their paths; and the mount points that every container has.

import fs from 'node:fs'
import path from 'node:path'
import { need, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { changes, Lab } from './kit.js'

const skip = need('root', 'busybox', 'runc', 'unshare', 'setpriv')
const BUSYBOX = 'FROM scratch\nCOPY sh /bin/sh\n'
const RUNTIMES = ['runc', 'chroot']

t.test('an image whose mount points are symlinks', { skip }, async t => {
  const here = new Lab(path.join(tempDir(t, 'mounts'), 'lab'))
  const host = path.join(here.dir, 'host')
  fs.mkdirSync(host)
  const works = '[ -c /dev/null ] && [ -e /proc/self/status ] && [ -d /sys/kernel ]'
  const targets: readonly [target: string, why: string][] = [
    [host, 'absolute, to a folder that the host has'],
    ['/nowhere', 'absolute, to nothing'],
    [`${'../'.repeat(20)}${host.slice(1)}`, 'one that climbs there'],
    ['bin', 'to another directory of the image'],
  ]
  for (const [index, [target]] of targets.entries())
    for (const name of ['dev', 'proc', 'sys']) here.file(`${name}-${index}/${name}`, `->${target}`)
  for (const runtime of RUNTIMES)
    for (const [index, [, why]] of targets.entries())
      for (const name of ['dev', 'proc', 'sys']) {
        const title = `/${name} is a symlink, ${why}, ${runtime}`
        fs.utimesSync(host, 1, 1)
        const { status, stderr, snapshots } = await here.run(
          `${BUSYBOX}COPY ${name}-${index} /\nRUN ${works} && echo > /f\nRUN ${works}\n`,
          `--runtime ${runtime} --no-cache`,
        )
        t.equal(status, 0, `${title}: ${stderr}`)
        t.same(snapshots.slice(2).map(changes), [['add f file 0644 0:0'], []], `${title}: the symlink stays`)
        t.same(
          [fs.readdirSync(host), fs.statSync(host).mtimeMs],
          [[], 1000],
          `${title}: the host is untouched`,
        )
      }
  here.file('file/dev', 'no directory')
  const { stderr, status } = await here.run(`${BUSYBOX}COPY file /\nRUN true\n`)
  t.match([status, stderr], [1, /"\/dev" of the image is no directory.*\[MOUNT_POINT_INVALID\]/], 'a file')
})

t.test('the order of mounts', { skip }, async t => {
  const here = new Lab(tempDir(t, 'mounts'))
  here.file('in', 'content')
  here.file('evil/out', '->/')
  const tmpfs = (target: string): string => `--mount=type=tmpfs,target=${target}`
  const rows: readonly [mounts: string, command: string, why: string][] = [
    [`--mount=target=/x/y ${tmpfs('/x')}`, '[ -f /x/y/in ] && touch /x/z', 'parents first'],
    [
      `${tmpfs('/x/y/z')} --mount=type=cache,target=/x/y --mount=target=/x,rw`,
      '[ -f /x/in ] && touch /x/y/a /x/y/z/b',
      'of three, and of all kinds',
    ],
    [`--mount=target=/x ${tmpfs('/x/')}`, 'touch /x/z && [ ! -e /x/in ]', 'the later of two of one place'],
    [
      `${tmpfs('/l/b/c')} --mount=target=/a/b,rw`,
      'touch /a/b/c/d && [ -f /a/b/in ]',
      'by where they really are',
    ],
  ]
  for (const runtime of RUNTIMES)
    for (const [mounts, command, why] of rows) {
      const steps = `RUN ln -s a /l\nRUN ${mounts} ${command}\n`
      const { status, stderr, snapshots } = await here.run(BUSYBOX + steps, `--runtime ${runtime} --no-cache`)
      t.same([status, changes(snapshots.at(-1))], [0, []], `${why}, ${runtime}: ${stderr}`)
    }
  const refused: readonly [steps: string, want: RegExp, why: string][] = [
    ['RUN --mount=type=tmpfs,target=/dev true', /\[MOUNT_INVALID\]/, "the container's own devices"],
    ['RUN --mount=target=/proc true', /\[MOUNT_INVALID\]/, 'its processes'],
    ['RUN ln -s / /r\nRUN --mount=type=tmpfs,target=/r true', /\[MOUNT_INVALID\]/, 'a symlink to the root'],
  ]
  for (const [steps, want, why] of refused) {
    const { status, stderr } = await here.run(`${BUSYBOX}${steps}\n`)
    t.match([status, stderr], [1, want], why)
  }
  // The tree that is mounted first holds a symlink where the second one is to be mounted. It must not lead to the host.
  const made = '/pipelayer-must-not-be-here'
  for (const runtime of RUNTIMES) {
    const nested = `--mount=from=evil,target=/x,rw ${tmpfs(`/x/out${made}`)}`
    await here.run(
      `FROM scratch AS evil\nCOPY evil /\n${BUSYBOX}RUN ${nested} true\n`,
      `--runtime ${runtime} --no-cache`,
    )
    t.notOk(fs.existsSync(made), `a symlink of a mount on the way of another, ${runtime}`)
    fs.rmSync(made, { recursive: true, force: true })
  }
})

t.test('modes of a tmpfs', { skip }, async t => {
  const here = new Lab(tempDir(t, 'mounts'))
  const there = 'RUN mkdir -p /there && chmod 2750 /there && chown 7:9 /there\n'
  const rows: readonly [target: string, want: string, why: string][] = [
    ['/not/there', '1777', 'every user may write where nothing was, as with BuildKit'],
    ['/dev/new', '1777', 'among the devices, too'],
    ['/there', '2750', 'a directory gives its mode'],
    ['/there/in', '1777', 'in a directory'],
  ]
  for (const runtime of RUNTIMES)
    for (const [target, want, why] of rows) {
      const step = `RUN --mount=type=tmpfs,target=${target} [ "$(stat -c %a ${target})" = ${want} ]`
      const other = `USER 5\nRUN --mount=type=tmpfs,target=/a/b touch /a/b/c\n`
      const { status, stderr, snapshots } = await here.run(
        `${BUSYBOX}${there}${step}\n${other}`,
        `--runtime ${runtime} --no-cache`,
      )
      t.equal(status, 0, `${why}, ${runtime}: ${stderr}`)
      t.same(snapshots.slice(2).map(changes), [[], []], 'and nothing stays')
    }
})

t.test('caches by name, agents that are not there', { skip }, async t => {
  const here = new Lab(tempDir(t, 'mounts'))
  const rows: readonly [steps: string, why: string][] = [
    [
      'RUN --mount=type=cache,target=/p touch /p/a\nRUN --mount=type=cache,target=/p/ [ -e /p/a ]',
      '/p and /p/ are one',
    ],
    [
      'RUN --mount=type=ssh [ "$SSH_AUTH_SOCK" = /run/buildkit/ssh_agent.0 ]',
      'told where no agent was given',
    ],
  ]
  for (const [steps, why] of rows) {
    const { status, stderr } = await here.run(`${BUSYBOX}${steps}\n`)
    t.equal(status, 0, `${why}: ${stderr}`)
  }
})

// Which changes of the context, the Dockerfile and the options give a step a new key. Each change builds on the ones
// before it.

import fs from 'node:fs'
import path from 'node:path'
import { need, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { content, Lab } from './kit.js'

const skip = need('root', 'busybox', 'runc', 'unshare', 'setpriv')
const BUSYBOX = 'FROM scratch\nCOPY sh /bin/sh\n'

/** The lines of the Dockerfile whose steps were executed. */
function executed(stderr: string): number[] {
  const lines = [...stderr.matchAll(/^kf-run: Dockerfile:(\d+): .*(?<!\))$/gm)]
  return lines.map(([, line]) => Number(line)).sort((a, b) => a - b)
}

t.test('what is executed after a change', { skip }, async t => {
  const here = new Lab(tempDir(t, 'keys'))
  const at = (name: string): string => path.join(here.context, name)
  here.file('d/a', 'a')
  here.file('d/b', 'b')
  here.file('one', '1')
  here.file('.dockerignore', 'ignored')
  // The lines are: 2 sh, 3 one, 4 d, 5 RUN with ARG A, 6 RUN
  let text = `${BUSYBOX}COPY one /one\nCOPY d /d\nARG A\nRUN echo $A > /a\nRUN echo > /f\n`
  const set = (from: string, to: string): void => {
    text = text.replace(from, to)
  }
  const rows: readonly [change: () => unknown, want: readonly number[], why: string, args?: string][] = [
    [() => {}, [2, 3, 4, 6, 7], 'the first time'],
    [() => {}, [], 'nothing'],
    [() => fs.utimesSync(at('d/a'), 1, 1), [], 'a time'],
    [() => here.file('ignored', 'x'), [], 'a file that is ignored'],
    [() => here.file('other', 'x'), [], 'a file that nobody copies'],
    [() => fs.chmodSync(at('d/a'), 0o600), [4, 6, 7], 'a mode'],
    [() => fs.renameSync(at('d/a'), at('d/c')), [4, 6, 7], 'a name'],
    [() => fs.renameSync(at('d/c'), at('d/a')), [], 'and back'],
    [() => fs.chownSync(at('d/a'), 7, 7), [], 'an owner: it is not taken over'],
    [() => here.file('d/b', 'B'), [4, 6, 7], 'a content of the same size'],
    [() => here.file('d/l', '->a'), [4, 6, 7], 'a symlink more'],
    [() => here.file('one', '2'), [3, 4, 6, 7], 'one file, and what lies on it'],
    [() => set('echo > /f', 'echo  > /f'), [7], 'a space in a command'],
    [() => {}, [2, 3, 4, 6, 7], '--no-cache', '--no-cache'],
    [() => {}, [], 'and what it made is the cache'],
  ]
  for (const [change, want, why, args = ''] of rows) {
    change()
    const { status, stderr } = await here.run(text, args)
    t.equal(status, 0, stderr)
    t.same(executed(stderr), want, why)
  }
})

t.test('several caches, some of them gone', { skip }, async t => {
  const here = new Lab(tempDir(t, 'keys'))
  const text = `${BUSYBOX}RUN echo > /f\n`
  t.equal((await here.run(text, `--cache-to oci:${here.dir}/good:x`)).status, 0)
  const froms = ['docker://127.0.0.1:1/gone:x', `oci:${here.dir}/none:x`, `oci:${here.dir}/good:x`]
  const args = froms.map(from => `--cache-from ${from}`).join(' ')
  const { status, stderr } = await here.run(text, `${args} --store ${here.dir}/two`)
  t.equal(status, 0)
  t.same(executed(stderr), [], 'the one that is there is used')
  t.match(stderr, /warning: the cache docker:\/\/127.0.0.1:1\/gone:x is not used: .*ECONNREFUSED/)
  t.match(stderr, /warning: the cache oci:.*none:x is not used: /)
})

t.test('a cache mount, shared out', { skip }, async t => {
  const here = new Lab(tempDir(t, 'keys'))
  const mount = (sharing: string): string => `--mount=type=cache,target=/c,sharing=${sharing}`
  const began = '--mount=type=cache,id=signals,target=/s'
  const stages = (sharing: string, one: string, two: string): string =>
    [
      `${BUSYBOX.replace('\n', ' AS base\n')}`,
      `FROM base AS one\nRUN ${mount(sharing)} ${began} ${one}; echo > /o`,
      `FROM base AS two\nRUN ${mount(sharing)} ${began} ${two}; echo > /t`,
      'FROM scratch\nCOPY --from=one /o /\nCOPY --from=two /t /\n',
    ].join('\n')
  const wait = (file: string): string => `until [ -e ${file} ]; do sleep 0.05; done`
  const alone = '[ ! -e /c/in ] || exit 1; echo > /c/in; sleep 0.2; rm /c/in'
  const rows: readonly [sharing: string, one: string, two: string, why: string][] = [
    ['shared', wait('/c/x'), 'echo > /c/x', 'both see the same, at the same time'],
    [
      'private',
      `echo > /c/x; ${wait('/s/two')}`,
      `echo > /c/y; [ ! -e /c/x ] && echo > /s/two`,
      'each its own, at the same time',
    ],
    ['locked', alone, alone, 'one after the other'],
  ]
  for (const [sharing, one, two, why] of rows) {
    fs.rmSync(here.store, { recursive: true, force: true })
    const { status, stderr } = await here.run(stages(sharing, one, two))
    t.equal(status, 0, `${sharing}: ${why}: ${stderr}`)
  }
  fs.rmSync(here.store, { recursive: true, force: true })
  const running = here.start(`${BUSYBOX}RUN ${mount('locked')} echo kept > /c/x; sleep 600\n`)
  const caches = path.join(here.store, 'caches/root')
  const kept = (): string | undefined =>
    fs.existsSync(caches)
      ? fs.readdirSync(caches).find(name => fs.existsSync(path.join(caches, name, 'x')))
      : undefined
  await waitUntil('the step writes', () => kept() !== undefined)
  process.kill(-running.pid, 'SIGKILL')
  await running.done
  await waitUntil('it is gone', () => fs.readdirSync(path.join(here.store, 'tmp')).length === 0)
  const next = await here.run(`${BUSYBOX}RUN ${mount('locked')} cp /c/x /x\n`)
  t.equal(next.status, 0, next.stderr)
  t.equal(
    content(next.snapshots[1], 'x'),
    'kept\n',
    'a killed step keeps no lock; what it wrote stays, as BuildKit keeps it',
  )
})

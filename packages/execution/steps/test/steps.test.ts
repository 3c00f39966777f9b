// Modes of --chmod, fields of --mount.

import t from 'tap'
import { parseMode } from '../src/file-mode.js'
import { parseMount } from '../src/mounts.js'

t.test('what --chmod does', async t => {
  const rows: readonly [text: string, mode: number, isDirectory: boolean, want: number, why: string][] = [
    ['755', 0o600, false, 0o755, 'octal replaces'],
    ['04755', 0o600, false, 0o4755, 'with setuid'],
    ['u+x', 0o644, false, 0o744, 'one class'],
    ['+x', 0o644, false, 0o755, 'no class is all of them'],
    ['go-rwx', 0o777, false, 0o700, 'taken away'],
    ['a=rX', 0o777, false, 0o555, 'X: somebody may execute it'],
    ['a=rX', 0o644, false, 0o444, 'X: nobody may'],
    ['a=rX', 0o644, true, 0o555, 'X of a directory'],
    ['u=rwx,g=u,o=', 0o000, false, 0o770, 'copied from another class, in order'],
    ['g+s', 0o755, true, 0o2755, 'setgid'],
    ['+t', 0o777, true, 0o1777, 'sticky'],
    ['u-s', 0o4755, false, 0o755, 'no setuid any more'],
  ]
  for (const [text, mode, isDirectory, want, why] of rows)
    t.equal(parseMode(text)(mode, isDirectory).toString(8), want.toString(8), `${text}: ${why}`)
  for (const text of ['8', '10000', 'u+q', 'x', 'u', '7 7'])
    t.throws(() => parseMode(text), { code: 'CHMOD_INVALID' }, text)
})

t.test('mounts of a RUN', async t => {
  const rows: readonly [text: string, want: object, why: string][] = [
    ['type=bind,target=/a', { type: 'bind', target: '/a', source: '/', writable: false }, 'the context'],
    [
      'target=b,from=x,src=y,rw',
      { type: 'bind', target: '/w/b', from: 'x', source: 'y', writable: true },
      'bind is usual; aliases',
    ],
    ['type=bind,dst=/a,ro', { writable: false }, 'read-only it is anyway'],
    [
      'type=cache,target=/c',
      { type: 'cache', id: '/c', sharing: 'shared', mode: 0o755 },
      'its target is its name',
    ],
    [
      'type=cache,target=/c,sharing=locked,uid=3,mode=0700',
      { sharing: 'locked', uid: 3, mode: 0o700 },
      'all fields',
    ],
    ['type=tmpfs,target=/t,size=1m', { type: 'tmpfs', size: 1048576 }, 'with a size'],
    ['type=tmpfs,target=/t,size=1.5KiB', { size: 1536 }, "in docker's words, which mount(8) does not know"],
    ['type=tmpfs,target=/t,size=2 GB', { size: 2147483648 }, 'all of them powers of 1024'],
    ['type=tmpfs,target=/t,size=4096', { size: 4096 }, 'or none'],
    [
      'type=secret,id=s',
      { type: 'secret', target: '/run/secrets/s', required: false, mode: 0o400 },
      'where secrets are',
    ],
    ['type=secret,id=s,env=S', { env: 'S' }, 'only in a variable'],
    ['type=secret,src=s', { id: 's', target: '/run/secrets/s' }, 'by source'],
    ['TYPE=BIND,target=/a,ro,rw', { type: 'bind', writable: true }, 'the last one counts'],
    ['"target=/a,b",ro=0', { target: '/a,b', writable: true }, 'a comma in quotes'],
    ['target=/a,type=bind,id=x,env=y', { type: 'bind' }, 'what means nothing and is not refused'],
    ['type=cache,target=c,sharing=LOCKED,mode=1777', { id: 'c', sharing: 'locked', mode: 0o1777 }, ''],
    ['mode=1,type=secret,id=s', { mode: 1 }, 'before its type'],
    ['type=ssh', { id: 'default', required: false, mode: 0o600, uid: 0, gid: 0 }, 'an agent'],
    ['type=ssh,id=x,dst=a,mode=640', { id: 'x', target: '/w/a', mode: 0o640 }, 'in its place'],
  ]
  for (const [text, want, why] of rows) t.match(parseMount(text, '/w'), want, `${text}: ${why}`)
  const bad = [
    'type=x,target=/',
    'type=cache',
    'type=tmpfs,target=/',
    'type=tmpfs,target=/t,size=x',
    'type=tmpfs,target=/t,size=1m,mode=1',
    'type=tmpfs,target=/t,size=-1',
    'type=bind,target=/a,sharing=x',
    'type=cache,target=/a,mode=z',
    'type=cache,target=/a,mode=9',
    'type=cache,target=/a,uid=4294967296',
    'type=bind,target=/a,ro=x',
    'type=bind,target=/a,',
    'type=bind,target',
    'type=secret,id=s,from=x',
    'type=secret,id=s,src=y',
    'type=secret,env=S',
    'required,type=secret,id=s',
    'target="/a',
    'type=secret',
  ]
  for (const text of bad) t.throws(() => parseMount(text, '/'), { code: 'MOUNT_INVALID' }, text)
})

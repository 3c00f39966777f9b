// cluster-facts with a stand-in for ssh that answers what a test says.
import fs from 'node:fs'
import path from 'node:path'
import { assembleCluster } from '@pipelayer/clusterfile'
import { collect } from '@pipelayer/records'
import { type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { clusterFacts } from '../src/index.js'

function asking(t: Scope, answer: string, more: object = {}) {
  const dir = tempDir(t, 'facts')
  fs.writeFileSync(path.join(dir, 'ssh'), `#!/bin/sh\necho "$*" >> ${dir}/calls\n${answer}\n`, {
    mode: 0o755,
  })
  const cluster = assembleCluster({
    masters: '10.0.0.1',
    nodes: '10.0.0.2:2222',
    user: 'me',
    password: 'canary',
    ...more,
  })
  const env = { ...process.env, PATH: `${dir}:${process.env.PATH}` }
  const run = () =>
    collect(
      clusterFacts({
        cluster,
        env,
        now: () => new Date(1_700_000_000_000),
        warn: () => undefined,
        signal: new AbortController().signal,
      }),
    )
  return { run, calls: () => fs.readFileSync(path.join(dir, 'calls'), 'utf8') }
}

const ANSWER = [
  'os linux',
  'machine aarch64',
  'kernel 6.1',
  'hostname h1',
  'time 1700000300',
  'swap yes',
  'cgroup systemd',
  'port 192B',
  'port 0016',
  'port 0016',
  'free 1024',
  'program kubelet',
  `blob ${'a'.repeat(64)}`,
  'blob x',
  'done init@10.0.0.1 abc',
  'other thing',
].join('\\n')

t.test('what a host tells', async t => {
  const { run, calls } = asking(t, `printf '${ANSWER}\\n'`)
  const records = await run()
  t.match(records, [
    { type: 'host', address: '10.0.0.1', roles: ['master'], user: 'me' },
    { type: 'host', address: '10.0.0.2', port: 2222, roles: ['node'] },
  ])
  t.same(records[0]?.facts, {
    os: 'linux',
    architecture: 'arm64',
    kernel: '6.1',
    hostname: 'h1',
    cgroupDriver: 'systemd',
    clockAhead: 300,
    swap: true,
    ports: [22, 6443],
    freeBytes: 1024 * 1024,
    programs: ['kubelet'],
    blobs: [`sha256:${'a'.repeat(64)}`],
    done: ['init@10.0.0.1 abc'],
  })
  t.match(calls(), /StrictHostKeyChecking=yes .*-p 2222 .*-l me -- 10\.0\.0\.2 sh -c/)
  t.notMatch(calls(), 'canary', 'the password is on no command line')
})

t.test('the password is asked of a program that only this user can read', async t => {
  const { run } = asking(
    t,
    `[ "$("$SSH_ASKPASS")" = canary ] || exit 9; [ "$(stat -c %a "$PIPELAYER_PASSWORD_FILE")" = 600 ] || exit 8; printf '${ANSWER}\\n'`,
  )
  t.match(await run(), [{ type: 'host' }, { type: 'host' }])
})

t.test('a host that does not answer', async t => {
  for (const [answer, code, message] of [
    [
      'echo "Host key verification failed." >&2; exit 255',
      'HOST_UNREACHABLE',
      /cannot reach me@10\.0\.0\.1 by ssh: Host key/,
    ],
    ['exit 255', 'HOST_UNREACHABLE', /the connection ended/],
    ['echo bash: no sh >&2; exit 127', 'HOST_INVALID', /cannot tell what it is: bash: no sh/],
    ['echo hello', 'HOST_INVALID', /does not tell its system/],
  ] as const)
    t.match(
      await asking(t, answer).run(),
      [{ type: 'failed', code, message, item: { address: '10.0.0.1' } }, {}],
      answer,
    )
})

t.test('without ssh', async t => {
  const warnings: string[] = []
  const cluster = assembleCluster({ masters: '10.0.0.1' })
  const options = {
    cluster,
    env: { PATH: '/nonexistent' },
    warn: (_: string, code?: string) => void warnings.push(code ?? ''),
    now: () => new Date(),
    signal: new AbortController().signal,
  }
  t.match(await collect(clusterFacts(options)), [{ type: 'failed', code: 'SSH_MISSING' }])
  t.same(await collect(clusterFacts({ ...options, cluster: { ...cluster, hosts: [] } })), [])
  t.same(warnings, ['HOSTS_MISSING'], 'a cluster without hosts is told')
})

// A cluster from a cluster image: facts, a plan, its execution, interrupted and gone on with, and its end.
import fs from 'node:fs'
import path from 'node:path'
import { need, ROOT } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { kubeadmImage, startHosts, type TestHosts } from './cluster-hosts.js'
import { type Lab, lab } from './lab.js'

const tooLong = process.env.PIPELAYER_TEST_ALL === '1' ? false : 'takes minutes: scripts/test --all runs it'

const SKIP = need('root', 'unshare', 'nsenter')
/** How often cluster-exec is killed. */
const KILLS = 100
const M1 = '10.7.0.1'
const M2 = '10.7.0.2'
const W1 = '10.7.0.3'
const ALL = [M1, M2, W1]
const CANARY = 'canary-password'
const CLUSTER = `-m ${M1},${M2} -n ${W1} --name it`
const FACTS = `cluster-facts ${CLUSTER}`
const PLAN = `cluster-plan ${CLUSTER} -e GREETING=world cluster:1`

async function setUp(t: Test): Promise<{ readonly place: Lab; readonly hosts: TestHosts }> {
  const place = lab(t, { SOURCE_DATE_EPOCH: '1700000000' })
  await kubeadmImage(place, 'cluster:1')
  const hosts = await startHosts(t, place, ALL)
  return { place, hosts }
}

const resultsOf = (records: readonly Record<string, unknown>[]): readonly string[] =>
  records.filter(({ type }) => type === 'outcome').map(({ id, result }) => `${id} ${result}`)

/** What a finished cluster looks like on its hosts. */
function checkCluster(t: Test, hosts: TestHosts): void {
  for (const host of ALL) {
    t.equal(hosts.read(host, 'etc/kubernetes/kubelet.conf'), 'k\n', `${host} is in the cluster`)
    t.equal(
      hosts.read(host, 'etc/initialised'),
      '/var/lib/docker sea.hub 5000 world\n',
      'its script had its variables',
    )
    t.match(hosts.read(host, 'etc/hosts'), new RegExp(`^${M1} sea\\.hub$`, 'm'))
  }
  const inits = hosts.read(M1, 'var/log/kubeadm.calls')?.match(/^kubeadm init --config/gm)
  t.equal(inits?.length, 1, 'kubeadm init ran once')
  for (const host of [M2, W1])
    t.equal(
      hosts.read(host, 'var/log/kubeadm.calls')?.match(/^kubeadm join/gm)?.length,
      1,
      `${host} joined once`,
    )
  t.equal(
    hosts.read(M1, 'var/log/kubectl.calls'),
    'kubectl apply -f manifests/app.yaml\n',
    'the command ran once',
  )
  t.match(hosts.read(M2, 'etc/hosts'), new RegExp(`^${M2} apiserver\\.cluster\\.local$`, 'm'))
  t.match(hosts.read(W1, 'etc/hosts'), /^10\.103\.97\.2 apiserver\.cluster\.local$/m)
  const rootfs = (host: string): string | undefined =>
    hosts.files(host).find(file => file.endsWith('/registry/v2/x'))
  t.ok(rootfs(M1), 'the host of the registry has its content')
  t.notOk(rootfs(W1), 'others have not')
  const greeting = hosts.files(W1).find(file => file.endsWith('/etc/greeting')) ?? ''
  t.equal(hosts.read(W1, greeting), 'hello world\n', 'templates are filled')
}

t.test('a cluster is made, found finished, and taken away', { skip: SKIP }, async t => {
  const { place, hosts } = await setUp(t)
  const before = new Map(ALL.map(host => [host, hosts.files(host)]))
  const facts = (await place.good(FACTS, { env: hosts.env })).records()
  t.match(facts, [
    {
      type: 'host',
      address: M1,
      roles: ['master'],
      facts: { os: 'linux', hostname: '10-7-0-1', clockAhead: 0, done: [] },
    },
    { type: 'host', address: M2 },
    { type: 'host', address: W1, roles: ['node'] },
    { type: 'end', records: 3 },
  ])
  // This machine may swap, listen and be nearly full; a plan is made for hosts that are not.
  const calm = `jq -c 'if .facts then .facts |= (del(.freeBytes) | .ports = [] | .swap = false) else . end'`
  await place.good(`${FACTS} | ${calm} > facts.ndjson`, { env: hosts.env })
  const plan = await place.good(`${PLAN} < facts.ndjson | tee plan.ndjson`)
  t.equal((await place.good(`${PLAN} < facts.ndjson`)).stdout, plan.stdout, 'the same plan again')

  const env = { ...hosts.env, PIPELAYER_SSH_PASSWORD: CANARY }
  const run = await place.good('cluster-exec < plan.ndjson', { env })
  t.notMatch(resultsOf(run.records()).join('\n'), /failed/)
  checkCluster(t, hosts)
  t.match(
    hosts.read(M1, 'var/log/registry.started'),
    /^5000 \/var\/lib\/pipelayer\/clusters\/it\/rootfs-\w+\/registry sea\.hub\n$/,
  )

  const again = await place.good('cluster-exec < plan.ndjson', { env })
  t.same(
    resultsOf(again.records()).filter(line => !line.endsWith(' skipped')),
    [],
    'a second run does nothing',
  )
  checkCluster(t, hosts)

  t.test('nothing has kept a secret', async t => {
    const texts = [plan.stdout, run.stdout, run.stderr, again.stdout, hosts.calls()]
    for (const secret of [CANARY, 'abcdef.0123456789abcdef', '4444444444'])
      for (const text of texts) t.notMatch(text, secret)
    const kept = ALL.flatMap(host =>
      hosts.files(host).filter(file => hosts.read(host, file)?.includes('abcdef.01234')),
    )
    t.same(
      kept.filter(file => !file.endsWith('/bin/kubeadm') && !file.endsWith('/sbin/kubeadm')),
      [],
    )
  })

  const end = await place.good(
    `cluster-plan ${CLUSTER} --delete cluster:1 < facts.ndjson | tee end.ndjson | cluster-exec`,
    { env },
  )
  t.notMatch(resultsOf(end.records()).join('\n'), /failed/)
  await place.good('cluster-exec < end.ndjson', { env })
  for (const host of ALL) {
    const left = hosts.files(host).filter(file => !before.get(host)?.includes(file))
    t.same(
      left.filter(file => !/^\/var\/log\/|^\/etc\/hosts$/.test(file)),
      [],
      `nothing of the cluster is left on ${host}, also after a second time`,
    )
    t.equal(hosts.read(host, 'etc/hosts'), fs.readFileSync('/etc/hosts', 'utf8'), 'its names are as before')
  }
  for (const host of ALL) await place.good(`ssh -- ${host} 'rm -f /var/log/*.calls'`, { env })
  await place.good('cluster-exec < plan.ndjson', { env })
  checkCluster(t, hosts)
})

t.test('cluster-exec may be killed at any moment', { skip: SKIP || tooLong, timeout: 1_200_000 }, async t => {
  const { place, hosts } = await setUp(t)
  const calm = `jq -c 'if .facts then .facts |= (del(.freeBytes) | .ports = [] | .swap = false) else . end'`
  await place.good(`${FACTS} | ${calm} | ${PLAN} > plan.ndjson`, { env: hosts.env })
  for (let kill = 0; kill < KILLS; kill++) {
    const running = place.start('cluster-exec < plan.ndjson > /dev/null', { env: hosts.env })
    await new Promise(resolve => setTimeout(resolve, 300 + ((kill * 997) % 2500)))
    try {
      process.kill(-running.pid, 'SIGKILL')
    } catch {
      // It had ended before.
    }
    await running.done
  }
  await place.good('cluster-exec < plan.ndjson', { env: hosts.env })
  checkCluster(t, hosts)
})

t.test('the scripts over the pipe', { skip: SKIP }, async t => {
  const { place, hosts } = await setUp(t)
  const run = (command: string) => place.run(command, { env: hosts.env })
  for (const name of ['cluster-run', 'cluster-join', 'cluster-delete']) {
    const help = await run(`${name} --help`)
    const page = fs.readFileSync(path.join(ROOT, 'shell', `${name}.md`), 'utf8')
    t.equal(help.status, 0)
    t.ok(page.includes(help.stdout), `${name} --help shows the options of its manual`)
    t.match(await run(name), { status: 2, stderr: new RegExp(`^${name}: name `) })
    t.equal((await run(`${name} --nothing cluster:1`)).status, 2)
  }
  for (const [command, row] of [
    [`cluster-delete --dry-run cluster:1 ${CLUSTER}`, /^reset +10\.7\.0\.3 +take Kubernetes away$/m],
    [
      `cluster-delete --dry-run cluster:1 ${W1} ${CLUSTER}`,
      /^reset +10\.7\.0\.1 +take 10-7-0-3 out of the cluster$/m,
    ],
  ] as const) {
    const dry = await run(command)
    t.equal(dry.status, 0, dry.stderr)
    t.match(dry.stdout, row, command)
  }
  // What this machine has too little of may speak against a new cluster; the plan of its end asks nothing.
  t.match(
    (await run(`cluster-run --dry-run -e GREETING=x cluster:1 ${CLUSTER}`)).stdout,
    /^PHASE|^error|^warning/m,
  )
  t.match(
    (await run(`cluster-join --dry-run cluster:1 10.9.9.9 ${CLUSTER}`)).stderr,
    /has no host 10\.9\.9\.9/,
  )
  t.same(hosts.read(M1, 'var/log/kubeadm.calls'), undefined, 'nothing is done')
})

t.test('what goes wrong', { skip: SKIP }, async t => {
  const { place, hosts } = await setUp(t)
  const calm = `jq -c 'if .facts then .facts |= (del(.freeBytes) | .ports = [] | .swap = false) else . end'`
  await place.good(`${FACTS} | ${calm} > facts.ndjson`, { env: hosts.env })
  await place.good(`${PLAN} < facts.ndjson > plan.ndjson`)
  const run = (command: string) => place.run(command, { env: hosts.env })

  t.test('a host that is down', async t => {
    hosts.setDown(W1, true)
    const facts = await run(FACTS)
    t.equal(facts.status, 1)
    t.match(facts.records()[2], {
      type: 'failed',
      code: 'HOST_UNREACHABLE',
      message: /10\.7\.0\.3 .*Connection refused/,
      item: { address: W1 },
    })
    const exec = await run('cluster-exec < plan.ndjson')
    t.equal(exec.status, 75)
    t.match(
      exec.stderr,
      /^cluster-exec: cannot reach 10\.7\.0\.3 by ssh: .*Connection refused \[HOST_UNREACHABLE\]$/m,
    )
    t.notOk(hosts.read(M1, 'etc/initialised'), 'nothing is begun')
    hosts.setDown(W1, false)
  })
  t.test('a plan that lost an operation', async t => {
    const cut = await run(`jq -c 'select(.id != "kubeadm-init@${M1}")' plan.ndjson | cluster-exec --no-end`)
    t.equal(cut.status, 1)
    t.match(
      cut.stderr,
      /the operation kubeconfig@10\.7\.0\.1 needs kubeadm-init@10\.7\.0\.1, which is not in the plan/,
    )
  })
  t.test('nothing is known of a host', async t => {
    const blind = await run(`head -n 2 facts.ndjson | ${PLAN} --no-end`)
    t.equal(blind.status, 1)
    t.match(blind.stdout, /"severity":"error","message":"10\.7\.0\.3: nothing is known of it/)
    t.notMatch(blind.stdout, '"operation"')
  })
  t.test('an operation that fails', async t => {
    place.write({ 'broken/scripts/init.sh': 'echo no luck >&2; exit 3\n', 'broken/bin/kubeadm': '' })
    await place.good(
      'layer-pack --dir broken | manifest-gen --platform linux/amd64 -t broken:1 | blob-put store:',
    )
    const plan = `cluster-plan -m ${M1} --name bad broken:1 < facts.ndjson`
    const failed = await run(`${plan} | cluster-exec`)
    t.equal(failed.status, 1)
    const outcome = failed.records().find(({ result }) => result === 'failed')
    t.match(outcome, { id: `init@${M1}`, said: /10\.7\.0\.1 cannot run bash \(status 3\): no luck/ })
    t.match(failed.stderr, /10\.7\.0\.1.*no luck/, 'what it said came with the name of the host')
    t.notOk(
      failed.records().some(({ id }) => id === `kubeadm-init@${M1}`),
      'what needs it is not begun',
    )
    const undone = await run(`${plan} | cluster-exec --undo`)
    t.same(resultsOf(undone.records()), [`rootfs@${M1} undone`])
    t.notOk(hosts.files(M1).some(file => file.includes('/clusters/bad/')))
  })
})

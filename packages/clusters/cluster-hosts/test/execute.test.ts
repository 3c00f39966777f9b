// Plans executed with a stand-in for ssh, which says how each command ends. Real commands are in test/cluster-run.test.ts.
import fs from 'node:fs'
import path from 'node:path'
import { collect, type HostFacts, type OperationRecord } from '@pipelayer/records'
import { type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { checkPlan, type ExecuteOptions, sumOf } from '../src/execute.js'
import { Connections, execute } from '../src/index.js'

function operation(
  name: string,
  needs: readonly string[] = [],
  more: Partial<OperationRecord> = {},
): OperationRecord {
  return {
    type: 'operation',
    id: name,
    cluster: 'c',
    host: '10.0.0.1',
    title: name,
    phase: 'p',
    needs,
    do: { run: { argv: ['run', name] } },
    ...more,
  }
}

function runner(t: Scope, answer = ':') {
  const dir = tempDir(t, 'exec')
  fs.writeFileSync(
    path.join(dir, 'ssh'),
    `#!/bin/bash\n[ "$1" = -O ] && exit\nwhile [ "$1" != -- ]; do shift; done; shift 2\nprintf '%s\\n' "$*" | tail -n 1 >> ${dir}/calls\n${answer}\n`,
    { mode: 0o755 },
  )
  const signal = new AbortController().signal
  const connections = new Connections({ env: { ...process.env, PATH: `${dir}:${process.env.PATH}` }, signal })
  t.teardown(() => connections.close())
  const run = async (
    plan: readonly OperationRecord[],
    more: Partial<ExecuteOptions> = {},
    done: readonly string[] = [],
  ) => {
    const facts: HostFacts = { os: 'linux', architecture: 'amd64', done }
    const outcomes = await collect(
      execute(plan, new Map([['10.0.0.1', facts]]), {
        connections,
        target: address => ({ address }),
        cluster: 'c',
        width: 4,
        signal,
        blobPath: digest => `/nonexistent/${digest}`,
        onOutput: () => undefined,
        ...more,
      }),
    )
    return outcomes.map(({ id, result }) => `${id} ${result}`)
  }
  const calls = (): string => (fs.existsSync(`${dir}/calls`) ? fs.readFileSync(`${dir}/calls`, 'utf8') : '')
  return { run, calls }
}

t.test('in order', async t => {
  const { run, calls } = runner(t)
  const plan = [operation('a'), operation('b', ['a']), operation('c', ['b'])]
  t.same(await run(plan), ['a done', 'b done', 'c done'])
  t.match(calls(), /run a[\s\S]*run b[\s\S]*run c/)
  const again = runner(t)
  const done = plan.map(one => `${one.id} ${sumOf(one)}`)
  t.same(await again.run(plan, {}, done), ['a skipped', 'b skipped', 'c skipped'], 'what the journal has')
  t.equal(again.calls(), '', 'without a question')
  const other = plan.map(one => ({ ...one, do: { run: { argv: ['other'] } } }))
  t.same(
    await runner(t).run(other, {}, done),
    ['a done', 'b done', 'c done'],
    'another operation of that name is not done',
  )
})

t.test('one that fails', async t => {
  const plan = [
    operation('a'),
    operation('fails', ['a']),
    operation('b', ['fails']),
    operation('c', ['a']),
    operation('d', ['c']),
  ]
  const answer = 'case "$*" in *"run fails"*) echo bad luck >&2; exit 3 ;; esac'
  const going = await runner(t, answer).run(plan, { keepGoing: true })
  t.same([...going].sort(), ['a done', 'c done', 'd done', 'fails failed'], 'what does not need it is done')
  const stopped = await runner(t, answer).run(plan, { width: 1 })
  t.same(stopped, ['a done', 'fails failed'], 'nothing new is begun')
})

t.test('what is found done is noted, and not done', async t => {
  const { run, calls } = runner(t)
  t.same(await run([operation('a', [], { check: { argv: ['test', '-f', '/x'] } })]), ['a skipped'])
  t.notMatch(calls(), /run a/)
  t.match(calls(), /c\.journal/)
})

t.test('secrets', async t => {
  const mint = operation('mint', [], { do: { mint: { argv: ['token'], secrets: { key: '^key (\\S+)$' } } } })
  const use = operation('use', ['mint'], {
    do: { files: [{ path: '/etc/x', content: 'k=<secret:key>' }] },
    secrets: ['key'],
  })
  const answer = 'case "$*" in token) echo key canary ;; *cat*) [ "$(cat)" = k=canary ] || exit 1 ;; esac'
  const { run, calls } = runner(t, answer)
  t.same(await run([mint, use]), ['mint done', 'use done'])
  t.notMatch(calls(), 'canary')
  const done = [`use ${sumOf(use)}`]
  t.same(
    await runner(t, answer).run([mint, use], {}, done),
    ['mint skipped', 'use skipped'],
    'nothing is minted for nobody',
  )
  t.same(await runner(t, answer).run([use], {}, ['mint x']), ['use failed'], 'without the one who mints')
})

t.test('undone in the reverse order', async t => {
  const undo = { run: { argv: ['undo'] } }
  const plan = [operation('a', [], { undo }), operation('b', ['a'], { undo }), operation('c', ['b'])]
  const done = plan.map(one => `${one.id} ${sumOf(one)}`)
  t.same(await runner(t).run(plan, { undo: true }, done), ['b undone', 'a undone'])
  t.same(
    await runner(t).run(plan, { undo: true }, done.slice(0, 1)),
    ['a undone'],
    'what was not done is not undone',
  )
})

t.test('what no plan may remove', async t => {
  for (const path of ['/', '/etc', 'etc/x', '/var/../etc'])
    t.same(await runner(t).run([operation('a', [], { do: { remove: [path] } })]), ['a failed'], path)
})

t.test('a plan that is not whole', async t => {
  for (const [plan, message] of [
    [[operation('a'), operation('a')], /has the operation a twice/],
    [[operation('b', ['a'])], /b needs a, which is not in the plan/],
    [[operation('b', ['a']), operation('a')], /b needs a, which stands behind it/],
    [[operation('a', ['a'])], /a needs a, which stands behind it/],
  ] as const)
    t.throws(() => checkPlan(plan, new Set()), { code: 'PLAN_INVALID', message })
  t.doesNotThrow(() => checkPlan([operation('b', ['a'])], new Set(['a'])), 'what a journal has is there')
})

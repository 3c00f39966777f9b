// cluster-exec: plans that are not whole. What is done on hosts, test/cluster-run.test.ts tells.
import { assembleCluster } from '@pipelayer/clusterfile'
import { type AnyRecord, collect } from '@pipelayer/records'
import t from 'tap'
import { clusterExec } from '../src/index.js'
import { lineWriter } from '../src/lines.js'

const OPTIONS = {
  cluster: assembleCluster({}),
  store: '/nonexistent',
  width: 2,
  keepGoing: false,
  undo: false,
  timeout: undefined,
  now: () => new Date(),
  output: () => undefined,
  env: { PATH: '/nonexistent' },
  signal: new AbortController().signal,
}

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

const operation = (cluster: string): AnyRecord => ({
  type: 'operation',
  id: 'a@10.0.0.1',
  cluster,
  host: '10.0.0.1',
  title: 'a',
  phase: 'p',
  needs: [],
  do: { run: { argv: ['true'] } },
})

t.test('refused before a host is asked', async t => {
  for (const [records, code, message] of [
    [[], 'PLAN_INVALID', /nothing to do/],
    [
      [operation('one'), { ...operation('two'), id: 'b@10.0.0.1' }],
      'PLAN_INVALID',
      /two clusters: one and two/,
    ],
    [[operation('one')], 'SSH_MISSING', /ssh is not on PATH/],
  ] as const)
    await t.rejects(collect(clusterExec(each(records), OPTIONS)), { code, message })
})

t.test('what hosts say comes in whole lines', async t => {
  const seen: string[] = []
  const { add, end } = lineWriter((host, lines) => seen.push(`${host} ${lines}`))
  add('a', Buffer.from('one\ntw'))
  add('b', Buffer.from('x'))
  add('a', Buffer.from('o\n'))
  end()
  t.same(seen, ['a one\n', 'a two\n', 'b x'])
})

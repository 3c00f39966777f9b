// cluster-plan on images of a store.
import { assembleCluster } from '@pipelayer/clusterfile'
import { type AnyRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { storeImage, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { clusterPlan } from '../src/index.js'
import { purposeOf } from '../src/purpose.js'
import { textForm } from '../src/text.js'

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

t.test('what a command line wants', async t => {
  const none = { join: undefined, remove: undefined, delete: false }
  t.same(purposeOf(none), { kind: 'create' })
  t.same(purposeOf({ ...none, delete: true }), { kind: 'delete' })
  t.same(purposeOf({ ...none, join: '10.0.0.1' }), { kind: 'join', hosts: '10.0.0.1' })
  t.same(purposeOf({ ...none, remove: '10.0.0.1' }), { kind: 'remove', hosts: '10.0.0.1' })
  t.throws(() => purposeOf({ ...none, delete: true, join: 'x' }), { code: 'USAGE', status: 2 })
})

t.test('what is refused', async t => {
  const store = `${tempDir(t, 'plan')}/store`
  storeImage(Store.open(store, { create: true }), { name: 'docker.io/library/a:1' })
  const options = {
    store,
    image: 'a:1',
    purpose: { kind: 'create' } as const,
    env: {},
    signal: new AbortController().signal,
  }
  await t.rejects(collect(clusterPlan(each([]), { ...options, cluster: assembleCluster({}) })), {
    code: 'CLUSTERFILE_INVALID',
    message: /no host/,
  })
  const cluster = assembleCluster({ masters: '10.0.0.1' })
  await t.rejects(collect(clusterPlan(each([]), { ...options, cluster, image: 'b:1' })), {
    code: 'MANIFEST_UNKNOWN',
  })
})

t.test('the plan as a table', async t => {
  const form = textForm('text')
  t.equal(textForm('records'), undefined)
  form?.record({ type: 'finding', severity: 'warning', message: '2 masters' })
  form?.record({ type: 'host', address: '10.0.0.1' })
  form?.record({ type: 'operation', phase: 'init', host: '10.0.0.1', title: 'start\u001b' })
  t.equal(
    form?.end({ type: 'end' }),
    'PHASE     HOST       OPERATION\nwarning              2 masters\ninit      10.0.0.1   start\\x1b\n',
  )
})

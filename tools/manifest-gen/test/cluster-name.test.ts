import type { ConfigRecord } from '@pipelayer/records'
import t from 'tap'
import { withBuildName } from '../src/cluster-name.js'

t.test('names of cluster images', async t => {
  const record = (config: object, fields: object = {}): ConfigRecord =>
    ({ type: 'config', image: '1', config, ...fields }) as ConfigRecord
  const fresh = record({ kind: 'Image', metadata: { annotations: {} } })
  t.same(withBuildName(fresh, 'a:1').config, { kind: 'Image', metadata: { annotations: {}, name: 'a:1' } })
  const rows: readonly { record: ConfigRecord; name: string | undefined; why: string }[] = [
    { record: fresh, name: undefined, why: 'no name is given' },
    { record: record({ architecture: 'amd64' }), name: 'a:1', why: 'another image' },
    { record: record({ kind: 'Image', metadata: { name: 'b' } }), name: 'a:1', why: 'it has a name' },
    { record: record({ kind: 'Image' }, { digest: 'sha256:0' }), name: 'a:1', why: 'it is no new image' },
  ]
  for (const { record, name, why } of rows) t.equal(withBuildName(record, name), record, why)
})

// The options of tools that talk to registries, and what they mean.

import t from 'tap'
import { REMOTE_OPTIONS, type RemoteArgs, remoteAccess } from '../src/remote-options.js'

const NONE: RemoteArgs = {
  'plain-http': false,
  'tls-ca': [],
  'tls-cert': undefined,
  'tls-key': undefined,
  rate: undefined,
  timeout: REMOTE_OPTIONS.timeout.default,
}

t.test('what the command line says', async t => {
  t.same(
    remoteAccess(NONE),
    { plainHttp: false, tls: { authorities: [] }, timeoutSeconds: 600 },
    'nothing: no more than the default time',
  )
  const all = {
    'plain-http': true,
    'tls-ca': ['a', 'b'],
    'tls-cert': 'c',
    'tls-key': 'k',
    rate: 5,
    timeout: 7,
  }
  t.same(
    remoteAccess(all),
    {
      plainHttp: true,
      tls: { authorities: ['a', 'b'], identity: { cert: 'c', key: 'k' } },
      requestsPerSecond: 5,
      timeoutSeconds: 7,
    },
    'all of it',
  )
  const refused: readonly [args: Partial<RemoteArgs>, why: string][] = [
    [{ 'tls-cert': 'c' }, 'a certificate without its key'],
    [{ 'tls-key': 'k' }, 'a key alone'],
    [{ rate: 0 }, 'no requests at all'],
    [{ timeout: 0 }, 'no time at all'],
  ]
  for (const [args, why] of refused)
    t.throws(() => remoteAccess({ ...NONE, ...args }), { code: 'USAGE', status: 2 }, why)
})

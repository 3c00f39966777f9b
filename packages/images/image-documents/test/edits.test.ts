import t from 'tap'
import { type ConfigEdits, pairs, type TriggerEdits, withEdits, words } from '../src/edits.js'
import { editsOf } from '../src/option-edits.js'

const NONE = {
  cmd: [],
  entrypoint: [],
  env: [],
  label: [],
  workdir: undefined,
  user: undefined,
  expose: [],
  volume: [],
  'stop-signal': undefined,
}

t.test('withEdits()', async t => {
  const before = { Cmd: ['old'], Entrypoint: ['e'], Env: ['PATH=/bin', 'A=1'], Labels: { l: '1' } }
  const rows: readonly [edits: ConfigEdits & TriggerEdits, after: object, why: string][] = [
    [{}, before, 'no edit'],
    [{ cmd: [] }, { ...before, Cmd: undefined }, 'no words remove the command'],
    [
      { entrypoint: ['x'] },
      { ...before, Entrypoint: ['x'], Cmd: undefined },
      'a new entrypoint has no arguments',
    ],
    [
      { unset: { env: ['A', 'B'] } },
      { ...before, Env: ['PATH=/bin'] },
      'a variable that is not there is no error',
    ],
    [{ onBuild: ['RUN x'] }, { ...before, OnBuild: ['RUN x'] }, 'the first trigger'],
    [{ unset: { env: ['A', 'PATH'] } }, { ...before, Env: undefined }, 'the last variable'],
    [{ unset: { env: ['A'] }, env: ['A=2'] }, { ...before, Env: ['PATH=/bin', 'A=2'] }, 'removed, then set'],
    [{ unset: { labels: ['l'] } }, { ...before, Labels: undefined }, 'the last label'],
    [{ unset: { labels: ['l'] }, labels: ['m=a=b'] }, { ...before, Labels: { m: 'a=b' } }, 'a value with ='],
  ]
  for (const [edits, after, why] of rows) {
    const wanted = JSON.parse(JSON.stringify({ os: 'linux', config: after }))
    t.same(withEdits({ os: 'linux', config: before }, edits), wanted, why)
  }
  const triggers = { config: { OnBuild: ['RUN a'] } }
  t.same(withEdits(triggers, { onBuild: ['RUN b'] }), { config: { OnBuild: ['RUN a', 'RUN b'] } }, 'one more')
  t.same(withEdits({ config: null }, { user: 'u' }), { config: { User: 'u' } }, 'a config that is null')
})

t.test('options', async t => {
  t.same(words(['["a","b c"]'], '--cmd'), ['a', 'b c'])
  t.same(words(['/bin/sh', '-c'], '--cmd'), ['/bin/sh', '-c'])
  t.equal(words([], '--cmd'), undefined, 'not given')
  t.same(words(['[]'], '--cmd'), [], 'given, without words')
  t.throws(() => words(['[1]'], '--cmd'), { code: 'USAGE', status: 2 })
  t.throws(() => words(['["a"'], '--cmd'), { code: 'USAGE', status: 2 })
  t.throws(() => pairs(['=x'], '--label'), { code: 'USAGE', status: 2 })
  t.match(editsOf({ ...NONE, env: ['A=1'], user: '0' }), { env: ['A=1'], user: '0' })
  const wrong: readonly object[] = [
    { env: ['A'] },
    { label: ['=x'] },
    { expose: ['80:80'] },
    { cmd: ['[1]'] },
  ]
  for (const args of wrong)
    t.throws(() => editsOf({ ...NONE, ...args }), { code: 'USAGE', status: 2 }, JSON.stringify(args))
})

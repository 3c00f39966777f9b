// Lines and times of a history, variables, configs.

import t from 'tap'
import { nextWorkdir } from '../src/config-step.js'
import { createdBy } from '../src/created-by.js'
import { isForeign } from '../src/foreign.js'
import { duration, goQuote, quoteRune } from '../src/go-format.js'
import { completeHistory, fillTimes } from '../src/history.js'
import { childDocument, setEnv } from '../src/image-config.js'
import { declareArg, type GlobalScope, proxyEnv, Scope, unusedBuildArgs } from '../src/scope.js'

t.test('words of Go', async t => {
  t.equal(goQuote('a"b\\c\n\x07\x01é\u00a0😀'), '"a\\"b\\\\c\\n\\a\\x01é\\u00a0😀"')
  t.equal(quoteRune(3), "'\\x03'")
  t.equal(quoteRune(39), "'\\''")
  const rows = [
    [0, '0s'],
    [1, '1ns'],
    [1500, '1.5µs'],
    [1e8, '100ms'],
    [3e10, '30s'],
    [9e10, '1m30s'],
    [3.6e12, '1h0m0s'],
    [1.5e9, '1.5s'],
  ] as const
  for (const [ns, want] of rows) t.equal(duration(ns), want)
})

t.test('lines of the history, as BuildKit writes them', async t => {
  const file = { name: 'COPY', parents: false, sources: ['a', 'b'], inline: ['EOF'], dest: '/d/' } as const
  const check = {
    kind: 'healthcheck',
    test: ['CMD', 'x'],
    intervalNs: 3e10,
    timeoutNs: 0,
    startPeriodNs: 0,
    startIntervalNs: 0,
    retries: 3,
  } as const
  const rows: readonly [got: string, want: string][] = [
    [createdBy.run(['/bin/sh', '-c', 'make'], []), 'RUN /bin/sh -c make # buildkit'],
    [createdBy.run(['x'], ['A=1', 'B=']), 'RUN |2 A=1 B= x # buildkit'],
    [createdBy.transfer(file), 'COPY a b <<EOF /d/ # buildkit'],
    [
      createdBy.transfer({ ...file, parents: true, chown: 'a:b', chmod: '755' }),
      'COPY --parents --chown=a:b --chmod=755 a b <<EOF /d/ # buildkit',
    ],
    [createdBy.workdir('/w'), 'WORKDIR /w'],
    [createdBy.env([{ name: 'a', value: 'b c' }]), 'ENV a=b c'],
    [createdBy.arg([{ name: 'a' }, { name: 'b', value: '1' }]), 'ARG a b=1'],
    [createdBy.cmd(['a', 'b c']), 'CMD ["a" "b c"]'],
    [createdBy.expose(['443/tcp', '80/tcp']), 'EXPOSE [443/tcp 80/tcp]'],
    [createdBy.volume(['/a', '/b']), 'VOLUME [/a /b]'],
    [createdBy.shell(['/bin/bash', '-c']), 'SHELL [/bin/bash -c]'],
    [createdBy.healthcheck(check), `HEALTHCHECK &{["CMD" "x"] "30s" "0s" "0s" "0s" '\\x03'}`],
  ]
  for (const [got, want] of rows) t.equal(got, want)
})

t.test('times of a history', async t => {
  const [old, first, second] = ['2020-01-01T00:00:00Z', '2021-01-01T00:00:00Z', '2022-01-01T00:00:00Z']
  const filled = fillTimes(
    [
      { created: old },
      { created_by: 'ENV' },
      { created: first },
      { created_by: 'CMD' },
      { created: second },
      {},
    ],
    1,
    'now',
  )
  t.same(
    filled.map(entry => entry.created),
    [old, first, first, first, second, second],
    'the layer before, at first the next one',
  )
  t.equal(fillTimes([{ created: old }, {}], 1, 'now')[1]?.created, old, 'no new layer: the base')
  t.equal(fillTimes([{}], 0, 'now')[0]?.created, 'now', 'nothing at all: the clock')
  t.equal(completeHistory([], 2).length, 2, 'made up where the base has none')
  t.equal(completeHistory([{ empty_layer: true }, {}], 1).length, 2, 'as it is where it fits')
})

t.test('variables', async t => {
  const outer: GlobalScope = {
    buildArgs: new Map([
      ['A', 'given'],
      ['HTTPS_PROXY', 'p'],
      ['MISSPELT', 'x'],
    ]),
    globals: new Map([['G', 'global']]),
    used: new Set(),
  }
  const scope = new Scope([['E', 'env']])
  const from = { outer, expand: (text: string): string => text }
  t.equal(declareArg(scope, { name: 'A', value: 'default' }, from), 'given', '--build-arg beats the default')
  t.equal(declareArg(scope, { name: 'B', value: 'default' }, from), 'default')
  t.equal(declareArg(scope, { name: 'G' }, from), 'global', 'a bare ARG takes the one before FROM')
  t.equal(declareArg(scope, { name: 'E', value: 'arg' }, from), 'arg')
  t.equal(scope.get('E'), 'arg', 'the later of ENV and ARG counts')
  scope.set('E', 'env')
  t.equal(scope.get('E'), 'env', 'whichever it is')
  declareArg(scope, { name: 'E' }, from)
  t.equal(scope.get('E'), 'env', 'an ARG without a value changes nothing')
  declareArg(scope, { name: 'N' }, from)
  t.same(scope.declared(), ['A=given', 'B=default', 'G=global', 'E=env', 'N='])
  t.notOk(scope.values().has('N'), 'declared without a value is not set')
  t.same(
    [...proxyEnv(outer.buildArgs)],
    [
      ['HTTPS_PROXY', 'p'],
      ['https_proxy', 'p'],
    ],
    'a proxy needs no ARG',
  )
  t.same(unusedBuildArgs(outer), ['MISSPELT'])
})

t.test('the config of a child', async t => {
  const base = {
    architecture: 'arm64',
    os: 'linux',
    'os.version': '1',
    rootfs: { type: 'layers' },
    config: { Cmd: null, Env: ['A=1', 'B=2'] },
  }
  const doc = childDocument(base, { os: 'linux', architecture: 'amd64' })
  t.same(doc, {
    architecture: 'arm64',
    os: 'linux',
    'os.version': '1',
    config: { Env: ['A=1', 'B=2'] },
    history: [],
  })
  setEnv(doc.config, 'A', '3')
  setEnv(doc.config, 'C', '4')
  t.same(doc.config.Env, ['A=3', 'B=2', 'C=4'], 'replaced where it stands')
  for (const [current, wanted, want] of [
    ['/a', 'b', '/a/b'],
    ['/a', '/b/../c/', '/b/../c/'],
    ['/a/', 'b/', '/a/b'],
    ['/a', '', '/a'],
    [undefined, '', '/'],
    [undefined, 'x', '/x'],
    ['/', '../..', '/'],
  ] as const)
    t.equal(nextWorkdir(current, wanted), want)
})

t.test('which architectures need an emulator', async t => {
  t.same(
    [isForeign('386', 'amd64'), isForeign('arm', 'arm64'), isForeign('amd64', 'arm64'), isForeign('x', 'x')],
    [false, false, true, false],
  )
})

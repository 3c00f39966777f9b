// Caches that other machines wrote, and the packed layers of a step.

import { digestOf } from '@pipelayer/digest'
import { type Manifest, parseManifest } from '@pipelayer/oci'
import t from 'tap'
import {
  CACHE_CONFIG_TYPE,
  cacheConfig,
  cacheManifest,
  parseCache,
  type SharedStep,
} from '../src/cache-document.js'
import { cachePlace } from '../src/cache-place.js'
import { contentWith } from '../src/chain-content.js'
import { usualEncoding, usualLayer } from '../src/usual-layer.js'

const [A, B, C] = ['a', 'b', 'c'].map(text => digestOf(text)) as [string, string, string]
const BLOB = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: A, size: 3 }
const created = '2023-11-14T22:13:20Z'
const STEPS: readonly SharedStep[] = [
  {
    key: A,
    on: '',
    encoding: 'v2.gzip-4.zlib-1.oci.s',
    packed: { created, blob: BLOB, diffID: B, engine: 'zlib/1' },
  },
  { key: B, on: B, encoding: 'v2.gzip-4.zlib-1.oci.s', packed: { created } },
  { key: C, on: B, encoding: 'v2.gzip-4.zlib-1.oci.s', packed: { created, blob: BLOB, diffID: B } },
]

function manifestOf(config: Buffer): Manifest {
  const descriptor = { mediaType: CACHE_CONFIG_TYPE, digest: digestOf(config), size: config.length }
  return parseManifest(cacheManifest(descriptor, STEPS)) as Manifest
}

t.test('a cache that is written is read', async t => {
  const config = cacheConfig(STEPS)
  const manifest = manifestOf(config)
  t.same(parseCache(manifest, config), STEPS)
  t.equal(manifest.layers.length, 1, 'a blob of two steps is listed once')
  t.same(cacheConfig(STEPS), config, 'the same steps, the same bytes')
  t.same(parseCache(manifest, cacheConfig([])), [], 'a cache without steps')
})

t.test('a cache that others wrote', async t => {
  type Row = Record<string, unknown>
  const rows: readonly [why: string, change: (row: Row) => unknown][] = [
    ['no key', row => delete row.key],
    ['a key that is a path', row => (row.key = 'sha256:../../x')],
    ['a parent that is none', row => (row.on = 'x')],
    ['no parent', row => delete row.on],
    ['an encoding that is a path', row => (row.encoding = 'v2./x')],
    ['a long encoding', row => (row.encoding = `v2.${'x'.repeat(300)}`)],
    ['no time', row => delete row.created],
    ['a time that is none', row => (row.created = 'soon')],
    ['no diffID', row => delete row.diffID],
    ['a layer that is no text', row => (row.layer = 7)],
    ['a layer that is not listed', row => (row.layer = C)],
  ]
  const good = cacheConfig(STEPS)
  for (const [why, change] of rows) {
    const document = JSON.parse(good.toString())
    change(document.steps[0])
    const bytes = Buffer.from(JSON.stringify(document))
    t.throws(() => parseCache(manifestOf(good), bytes), { code: 'CACHE_INVALID' }, why)
  }
  for (const text of [
    '{"version":2,"steps":[]}',
    '{"version":1,"steps":{}}',
    '{"version":1,"steps":[1]}',
    '[]',
  ])
    t.throws(() => parseCache(manifestOf(good), Buffer.from(text)), { code: 'CACHE_INVALID' }, text)
  const foreign = { ...manifestOf(good), layers: [{ ...BLOB, mediaType: 'application/x-thing' }] }
  t.throws(() => parseCache(foreign, good), { code: 'CACHE_INVALID' }, 'a blob that is no layer')
})

t.test('places of caches', async t => {
  const rows: readonly [text: string, direction: 'from' | 'to', want: string | undefined, why: string][] = [
    ['oci:/c:app', 'to', 'oci:/c:app', 'a place of ours'],
    ['docker://h/c:app', 'from', 'docker://h/c:app', 'a registry'],
    ['h/c:app', 'from', 'h/c:app', 'a bare reference'],
    ['type=registry,ref=h/c:app', 'from', 'docker://h/c:app', "docker build's words"],
    ['type=registry,ref=h/c:app,mode=max', 'to', 'docker://h/c:app', 'the mode is always the most'],
    ['type=local,dest=/c', 'to', 'oci:/c:latest', 'a directory'],
    ['type=local,src=/c,tag=x', 'from', 'oci:/c:x', 'with a tag'],
    ['type=local,src=/c', 'to', undefined, 'src is where from'],
    ['type=local,dest=/c', 'from', undefined, 'dest is where to'],
    ['type=s3,bucket=b', 'to', undefined, 'what we do not speak'],
    ['type=registry', 'to', undefined, 'no name'],
    ['=', 'to', undefined, 'nothing'],
  ]
  for (const [text, direction, want, why] of rows)
    if (want === undefined)
      t.throws(() => cachePlace(text, direction), { code: 'OPTION_INVALID', status: 2 }, why)
    else t.equal(cachePlace(text, direction), want, why)
})

t.test('which layer of a step is taken', async t => {
  const usual = usualEncoding({})
  const other = usual.replace('gzip-4', 'gzip-9')
  const packed = { created }
  t.equal(usualLayer(new Map([[other, packed]]), {})?.encoding, other, 'any that holds the same tar')
  t.equal(
    usualLayer(
      new Map([
        [other, packed],
        [usual, packed],
      ]),
      {},
    )?.encoding,
    usual,
    'the usual one first',
  )
  t.equal(usualLayer(new Map([[`${usual}7`, packed]]), {}), undefined, 'not one with other times')
  t.equal(usualLayer(new Map([[`${usual}7`, packed]]), { epoch: 7 })?.encoding, `${usual}7`)
  t.equal(usualLayer(new Map([[usual.replace('v', 'v9'), packed]]), {}), undefined, 'not of another version')
  t.equal(contentWith('', A), A, 'the chainID of one layer is its diffID')
  t.equal(contentWith(A, B), digestOf(`${A} ${B}`))
  t.equal(contentWith(undefined, B), undefined)
})

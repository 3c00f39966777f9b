import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { gunzipSync } from 'node:zlib'
import { type AnyRecord, collect, recordError } from '@pipelayer/records'
import { compareTrees, need, runPipe, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { cutOf, layerSquash } from '../src/index.js'

async function* each(...records: AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

const sha256 = (input: Buffer): string =>
  `sha256:${execFileSync('sha256sum', { input, encoding: 'utf8' }).slice(0, 64)}`

/** The layers that scripts make, as records. */
function layersOf(top: string, scripts: readonly string[], image = '1'): AnyRecord[] {
  return scripts.map((script, i) => {
    const file = path.join(top, `${i}.tar.gz`)
    const dir = path.join(top, `${i}.d`)
    fs.mkdirSync(dir, { recursive: true })
    execFileSync('bash', ['-euc', script], { cwd: dir })
    execFileSync('tar', ['-C', dir, '--sort=name', '--mtime=@1700000000', '-czf', file, '.'])
    const bytes = fs.readFileSync(file)
    return {
      type: 'layer',
      image,
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      digest: sha256(bytes),
      size: bytes.length,
      diffID: sha256(gunzipSync(bytes)),
      path: file,
      createdBy: `step ${i}`,
      created: `2024-01-0${9 - i}T00:00:00Z`,
    }
  })
}

const nowhere = (digest: string): never => {
  throw new Error(`no blob ${digest}`)
}
const SCRIPTS = [
  'mkdir d; echo 1 > d/a; echo 2 > d/b',
  'mkdir d; touch d/.wh.a; echo 3 > d/c',
  'mkdir d; touch d/.wh.c; echo 4 > e',
]

t.test('layerSquash()', async t => {
  const layers = layersOf(tempDir(t, 'squash'), SCRIPTS)
  const [first, second, third] = layers as [AnyRecord, AnyRecord, AnyRecord]
  const note = { type: 'x-note', n: 1 }
  const empty = { type: 'layer', image: '1', empty: true }
  const config = {
    type: 'config',
    image: '1',
    mediaType: 'application/vnd.oci.image.config.v1+json',
    digest: first.digest,
    size: 1,
    config: {
      config: { Env: ['A=1'] },
      rootfs: { type: 'layers', diff_ids: layers.map(({ diffID }) => diffID) },
      history: [
        { created_by: 'step 0' },
        { created_by: 'ENV A=1', empty_layer: true },
        { created_by: 'step 1' },
        { created_by: 'nothing' },
        { created_by: 'step 2' },
      ],
    },
  }
  const manifest = { type: 'manifest', image: '1', root: true, mediaType: 'm', digest: first.digest, size: 1 }
  const squash = (
    cut: Parameters<typeof layerSquash>[1]['cut'],
    ...records: AnyRecord[]
  ): Promise<AnyRecord[]> => collect(layerSquash(each(...records), { cut, open: nowhere }))

  const records = await squash({ from: 2 }, note, first, second, empty, third, config, manifest)
  t.same(
    records.map(({ type, op, path: name }) => [type, op, op && name].filter(Boolean).join(' ')),
    [
      'x-note',
      'layer',
      'layer-begin',
      'change modify d',
      'change delete d/a',
      'change add e',
      'layer-end',
      'config',
      'manifest',
    ],
    'what came and went within is gone',
  )
  for (const record of records) t.equal(recordError(record), undefined)
  t.same(records[1], first, 'the base as it was')
  t.same(records[2], { type: 'layer-begin', image: '1', createdBy: 'layer-squash', created: second.created })
  t.match(records[5], { entry: { content: { digest: third.digest } } })
  t.same(records[7]?.config, {
    config: { Env: ['A=1'] },
    history: [
      { created_by: 'step 0' },
      { created_by: 'ENV A=1', empty_layer: true },
      { created_by: 'step 1', empty_layer: true },
      { created_by: 'nothing', empty_layer: true },
      { created_by: 'step 2', empty_layer: true },
      { created: second.created, created_by: 'layer-squash', comment: '2 layers merged' },
    ],
  })
  const types = (list: readonly AnyRecord[]): string =>
    list
      .map(({ type }) => type)
      .filter(type => type !== 'change')
      .join(' ')
  const rows: [string, Parameters<typeof layerSquash>[1]['cut'], AnyRecord[], string][] = [
    ['onto a digest', { onto: String(first.digest) }, layers, 'layer layer-begin layer-end'],
    ['onto a diffID', { onto: String(second.diffID) }, layers, 'layer layer layer-begin layer-end'],
    ['all', { from: 1 }, [...layers, config], 'layer-begin layer-end config'],
    [
      'no config, but a manifest',
      { from: 3 },
      [...layers, manifest],
      'layer layer layer-begin layer-end manifest',
    ],
    [
      'two images, interleaved',
      { from: 2 },
      layers.flatMap(layer => [layer, { ...layer, image: '2' }]),
      'layer layer layer-begin layer-end layer-begin layer-end',
    ],
    ['no image', { from: 2 }, [note], 'x-note'],
  ]
  for (const [why, cut, given, expected] of rows) t.equal(types(await squash(cut, ...given)), expected, why)
  t.same(
    (await squash({ from: 1 }, ...layers, { ...config, config: {} })).at(-1)?.config,
    {},
    'no history stays none',
  )

  const bad: [string, Parameters<typeof layerSquash>[1]['cut'], AnyRecord[], string][] = [
    ['no layer above the cut', { from: 4 }, layers, 'NOTHING_TO_SQUASH'],
    ['nothing above the base', { onto: String(third.digest) }, layers, 'NOTHING_TO_SQUASH'],
    ['another base', { onto: `sha256:${'0'.repeat(64)}` }, layers, 'LAYER_NOT_FOUND'],
    ['a layer lost on the way', { from: 2 }, [first, third, config], 'LAYERS_MISSING'],
    ['a layer that is another', { from: 1 }, [second, first, third, config], 'DIFF_ID_MISMATCH'],
    [
      'a blob that is another',
      { from: 1 },
      [{ ...first, path: third.path, size: undefined }],
      'DIGEST_MISMATCH',
    ],
  ]
  for (const [why, cut, given, code] of bad) await t.rejects(squash(cut, ...given), { code }, why)
  const aborted = layerSquash(each(...layers), {
    cut: { from: 1 },
    open: nowhere,
    signal: AbortSignal.abort(new Error('stop')),
  })
  await t.rejects(collect(aborted), /stop/)

  t.throws(() => cutOf(undefined, undefined), { code: 'USAGE', status: 2 })
  t.throws(() => cutOf(1, 'sha256:1'), { code: 'USAGE', status: 2 })
  t.throws(() => cutOf(0, undefined), { code: 'USAGE', status: 2 })
})

t.test('a squashed image has the same root filesystem, and its base', { skip: need('root') }, async t => {
  const top = tempDir(t, 'whole')
  layersOf(top, [
    ...SCRIPTS,
    'mkdir d; ln -s ../e d/s; touch f; ln f g; chown 7:8 f',
    'mkdir d; touch d/.wh..wh..opq; echo 5 > d/n; touch .wh.g',
  ])
  const env = { PIPELAYER_STORE: path.join(top, 'store') }
  const { status, stdout, stderr } = await runPipe(
    `set -e
     for i in 0 1 2 3 4; do layer-pack --tar $i.tar.gz | grep '"layer"'; done | manifest-gen --no-end -t x:1 | blob-put oci:in:1 > /dev/null
     img-pull oci:in:1 | layer-squash --from 3 | layer-pack | manifest-gen -t x:2 | blob-put oci:out:1 > /dev/null
     img-pull oci:in:1 | untar a > /dev/null
     img-pull oci:out:1 | untar b > /dev/null
     for i in in out; do img-pull oci:$i:1 | jq -r 'select(.type == "layer").digest'; done`,
    { cwd: top, env },
  )
  t.equal(status, 0, stderr)
  t.same(compareTrees(path.join(top, 'a'), path.join(top, 'b')), [])
  const digests = stdout.trim().split('\n')
  t.equal(digests.length, 5 + 3)
  t.same(digests.slice(5, 7), digests.slice(0, 2), 'the base is untouched')
})

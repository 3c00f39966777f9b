import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { type AnyRecord, collect, recordError } from '@pipelayer/records'
import { lsetxattr, mknod } from '@pipelayer/sys'
import { compareTrees, need, runPipe, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { diffTwoImages } from '../src/images.js'
import { diffLayer, ovlDiff } from '../src/index.js'

const isRoot = { skip: need('root') }

async function* stream(...records: AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

function tree(dir: string, files: Readonly<Record<string, string>>): string {
  for (const [name, content] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(dir, name)), { recursive: true })
    fs.writeFileSync(path.join(dir, name), content)
    fs.utimesSync(path.join(dir, name), 1000, 1000)
  }
  return dir
}

t.test('ovlDiff()', isRoot, async t => {
  const top = tempDir(t, 'ovl')
  const before = tree(path.join(top, 'before'), { a: '1', 'd/b': '2' })
  const after = tree(path.join(top, 'after'), { a: '1', 'd/b': '3', 'd/c': '4' })
  const upper = tree(path.join(top, 'upper'), { 'd/b': '3', 'd/c': '4' })
  for (const dir of [before, after, upper]) fs.chmodSync(dir, 0o755)
  const facts = {
    image: '7',
    index: 0,
    createdBy: 'RUN x',
    created: '2024-01-01T00:00:00Z',
    cacheKey: 'sha256:1',
  }
  const note = { type: 'x-note', n: 1 }
  const rows: [string, object][] = [
    ['two trees', { before, after }],
    ['an upper directory', { lowers: [before], upper }],
  ]
  for (const [why, where] of rows) {
    const records = await collect(ovlDiff(stream(note, { type: 'snapshot', ...facts, ...where }, note)))
    t.same(
      records.map(({ type, op, path: name }) => [type, op, name].filter(Boolean).join(' ')),
      [
        'x-note',
        'layer-begin',
        'change modify d',
        'change modify d/b',
        'change add d/c',
        'layer-end',
        'x-note',
      ],
      why,
    )
    const { index: _, ...begin } = facts
    t.same(records[1], { type: 'layer-begin', ...begin })
    t.match(records[5], { changes: 3, digest: /^sha256:[0-9a-f]{64}$/ })
    for (const record of records) t.equal(recordError(record), undefined)
  }
  const all = await collect(
    ovlDiff(stream({ type: 'snapshot', ...facts, before, after }), { allXattrs: true }),
  )
  t.notOk(all[0]?.cacheKey, 'with other xattrs it is not the layer that the key stands for')
  const mount = {
    type: 'mount',
    image: '1',
    target: '/m',
    lowers: [before],
    xattrs: 'trusted',
    created: 'now',
  }
  const ofMount = await collect(ovlDiff(stream({ ...mount, upper }, mount)))
  t.match(ofMount[0], { type: 'layer-begin', image: '1', createdBy: 'ovl-mount', created: undefined })
  t.same(
    ofMount.slice(-2).map(({ type }) => type),
    ['layer-end', 'mount'],
    'one without an upper passes',
  )
  await t.rejects(collect(ovlDiff(stream({ type: 'snapshot', ...facts }))), { code: 'SNAPSHOT_INVALID' })
  const same = await collect(diffLayer({ image: '1', before, after: before }))
  t.match(
    same,
    [{ type: 'layer-begin' }, { type: 'layer-end', changes: 0 }],
    'no change is a layer without changes',
  )
  const aborted = AbortSignal.abort(new Error('stop'))
  tree(path.join(top, 'many'), Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, ''])))
  await t.rejects(
    collect(diffLayer({ image: '1', after: path.join(top, 'many') }, { signal: aborted })),
    /stop/,
  )
})

t.test('the program', isRoot, async t => {
  const top = tempDir(t, 'ovl')
  tree(path.join(top, 'before'), { a: '1' })
  tree(path.join(top, 'after'), { a: '2' })
  const upper = tree(path.join(top, 'upper'), { n: '' })
  mknod(path.join(upper, 'a'), fs.constants.S_IFCHR)
  const wh = path.join(upper, 'gone')
  fs.writeFileSync(wh, '')
  lsetxattr(wh, 'user.overlay.whiteout', Buffer.alloc(0))
  const END = '{"type":"end","tool":"x","records":0,"failed":0}\n'
  const rows: {
    why: string
    command: string
    status: number
    changes?: string[]
    stderr?: RegExp
    input?: string
  }[] = [
    { why: 'two trees', command: 'ovl-diff before after', status: 0, changes: ['modify a'] },
    { why: 'one tree', command: 'ovl-diff after --created-by me', status: 0, changes: ['add a'] },
    {
      why: 'an upper directory',
      command: 'ovl-diff --upper upper --lower before --xattrs user',
      status: 0,
      changes: ['delete a', 'add n'],
    },
    {
      why: 'one that nothing is known below',
      command: 'ovl-diff --upper upper --xattrs user',
      status: 0,
      changes: ['delete a', 'delete gone', 'add n'],
    },
    { why: 'no snapshot at all', command: 'ovl-diff', status: 0, changes: [], input: END },
    {
      why: 'a missing tree',
      command: 'ovl-diff before nowhere',
      status: 1,
      stderr: /no directory \[NOT_A_DIRECTORY\]/,
    },
    {
      why: 'a lower without an upper',
      command: 'ovl-diff --lower before',
      status: 2,
      stderr: /--lower needs --upper/,
      input: 'open',
    },
    {
      why: 'images and trees',
      command: 'ovl-diff --images before',
      status: 2,
      stderr: /no directory can be given/,
    },
    {
      why: 'no images',
      command: 'ovl-diff --images',
      status: 1,
      stderr: /but 0 came \[IMAGES_COUNT\]/,
      input: END,
    },
    { why: 'both ways at once', command: 'ovl-diff --upper upper before', status: 2, stderr: /at once/ },
    { why: 'a cut stream', command: 'ovl-diff', status: 1, stderr: /INPUT_CUT/ },
  ]
  for (const { why, command, status, changes, stderr = /^$/, input = '' } of rows) {
    const result = await runPipe(command, { cwd: top, input: input as 'open' })
    t.equal(result.status, status, `${why}: ${result.stderr}`)
    t.match(result.stderr, stderr, why)
    if (changes === undefined) continue
    const found = result.records().filter(({ type }) => type === 'change')
    t.same(
      found.map(({ op, path: name }) => `${op} ${name}`),
      changes,
      why,
    )
  }
})

t.test('--images', isRoot, async t => {
  const top = tempDir(t, 'images')
  const env = { PIPELAYER_STORE: path.join(top, 'store') }
  // The same file in two images, in layers that differ, is no change. A hard link brings its file along.
  const scripts = {
    a0: 'mkdir d; echo same > d/same; echo 1 > d/x; echo 2 > d/y; echo 3 > gone; ln -s d l',
    a1: 'mkdir d; touch d/.wh.y',
    b0: 'mkdir d; echo same > d/same; echo new > d/x; chmod 700 d; ln -s d l; echo 9 > n; chown 5:6 n',
    b1: 'mkdir e; ln -s ../n e/s; echo 8 > m; ln m e/m',
  }
  for (const [name, script] of Object.entries(scripts))
    execFileSync(
      'bash',
      ['-euc', `mkdir ${name}; cd ${name}; ${script}; tar --mtime=@1700000000 -cf ../${name}.tar .`],
      { cwd: top },
    )
  const make = (one: string): string =>
    `for i in 0 1; do layer-pack --tar ${one}$i.tar | grep '"layer"'; done | manifest-gen --no-end -t ${one}:1 | blob-put oci:${one}:1 > /dev/null\n`
  const both = '{ img-pull oci:a:1; img-pull oci:b:1; }'
  const diff = await runPipe(
    `${make('a')}${make('b')}${both} | ovl-diff --images --streams 2 --created-by me`,
    { cwd: top, env },
  )
  t.equal(diff.status, 0, diff.stderr)
  const records = diff.records() as AnyRecord[]
  t.same(
    records.map(({ type, op, path: name }) => [type, op, name].filter(Boolean).join(' ')),
    [
      'layer-begin',
      'change modify d',
      'change modify d/x',
      'change add e',
      'change add e/m',
      'change add e/s',
      'change delete gone',
      'change add m',
      'change add n',
      'layer-end',
      'end',
    ],
  )
  t.match(records[0], { createdBy: 'me' })
  for (const record of records) t.equal(recordError(record), undefined)

  const applied = await runPipe(
    `${both} | ovl-diff --images --streams 2 | layer-pack > delta && img-pull oci:a:1 | untar x > /dev/null && img-pull oci:b:1 | untar y > /dev/null &&
     untar --into x --tar "$(jq -r 'select(.type == "layer").path' delta)" > /dev/null`,
    { cwd: top, env },
  )
  t.equal(applied.status, 0, applied.stderr)
  t.same(
    compareTrees(path.join(top, 'x'), path.join(top, 'y')),
    [],
    'applied to the first it gives the second',
  )

  const pulled = (await runPipe('img-pull oci:a:1', { cwd: top, env })).records() as AnyRecord[]
  const [first, second, config] = pulled as [AnyRecord, AnyRecord, AnyRecord]
  const other = (record: AnyRecord, image: string): AnyRecord => ({ ...record, image })
  const note = { type: 'x-note', n: 1 }
  const nowhere = (digest: string): never => {
    throw new Error(`no blob ${digest}`)
  }
  const compare = (...given: AnyRecord[]): Promise<AnyRecord[]> =>
    collect(diffTwoImages(stream(...given), { open: nowhere }))
  const equal = await compare(note, first, second, config, other(first, '2'), other(second, '2'), note)
  t.same(
    equal.map(({ type }) => type),
    ['x-note', 'x-note', 'layer-begin', 'layer-end'],
  )
  t.equal(equal[2]?.image, '2')
  const bad: [string, AnyRecord[], string][] = [
    ['one image', [first], 'IMAGES_COUNT'],
    ['three', [first, other(first, '2'), other(first, '3')], 'IMAGES_COUNT'],
    ['a layer lost on the way', [first, config, other(first, '2')], 'LAYERS_MISSING'],
    ['layers in another order', [second, first, config], 'DIFF_ID_MISMATCH'],
    ['a blob that is another', [{ ...first, path: second.path }], 'MISMATCH'],
  ]
  for (const [why, given, code] of bad) await t.rejects(compare(...given), { code: new RegExp(code) }, why)
})

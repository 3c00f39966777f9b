import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { type AnyRecord, type ChangeRecord, changesDigest, collect, recordError } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { need, runPipe, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type LayerPackOptions, layerPack } from '../src/index.js'

const KEY = `sha256:${'1'.repeat(64)}`
const begin = { type: 'layer-begin', image: '7', createdBy: 'RUN x', created: '2024-01-01T00:00:00Z' }
const note = { type: 'x-note', n: 1 }

async function* stream(...records: AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

function change(name: string, source?: string): ChangeRecord {
  const size = source === undefined ? 0 : fs.statSync(source).size
  const where = source === undefined ? {} : { source }
  return {
    type: 'change',
    op: 'add',
    path: name,
    entry: { type: 'file', mode: '0644', uid: 0, gid: 0, mtime: '5', size, ...where },
  }
}

function end(...changes: ChangeRecord[]): AnyRecord {
  const digest = changesDigest()
  for (const one of changes) digest.update(one)
  return { type: 'layer-end', changes: changes.length, digest: digest.digest() }
}

t.test('layerPack()', async t => {
  const top = tempDir(t, 'pack')
  const store = Store.open(path.join(top, 'store'))
  const blobs = (): string[] => fs.readdirSync(path.join(store.root, 'blobs/sha256'))
  const pack = (records: AnyRecord[], more: Partial<LayerPackOptions> = {}): Promise<AnyRecord[]> =>
    collect(layerPack(stream(...records), { store, compress: { format: 'gzip' }, ...more }))
  const [a, b] = [change('a'), change('b')]

  t.test('a layer, between other records', async t => {
    const records = await pack([note, begin, a, b, end(a, b), note, begin, end()])
    t.same(
      records.map(({ type }) => type),
      ['x-note', 'layer', 'x-note', 'layer'],
    )
    const { type: _, ...facts } = begin
    t.match(records[1], {
      ...facts,
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      engine: /^zlib\//,
    })
    t.same(records[3], { type: 'layer', ...facts, empty: true }, 'no changes: no blob')
    const [file, digest, diffID] = [records[1]?.path, records[1]?.digest, records[1]?.diffID].map(String) as [
      string,
      string,
      string,
    ]
    t.equal(fs.statSync(file).size, records[1]?.size)
    t.equal(execFileSync('sha256sum', [file], { encoding: 'utf8' }).slice(0, 64), digest.slice(7))
    const tar = execFileSync('sh', ['-c', `gzip -dc ${file} | sha256sum`], { encoding: 'utf8' })
    t.equal(tar.slice(0, 64), diffID.slice(7))
    for (const record of records) t.equal(recordError(record), undefined)
  })

  t.test('what is broken publishes nothing', async t => {
    const rows: [string, AnyRecord[], string][] = [
      ['a change dropped', [begin, a, end(a, b)], 'CHANGES_MISMATCH'],
      ['a change edited', [begin, { ...a, path: 'c' }, end(a)], 'CHANGES_MISMATCH'],
      ['all changes dropped', [begin, end(a)], 'CHANGES_MISMATCH'],
      ['no end of the layer', [begin, a], 'LAYER_INCOMPLETE'],
      ['another record inside', [begin, a, note, end(a)], 'RECORD_MISPLACED'],
      ['a layer inside a layer', [begin, begin], 'RECORD_MISPLACED'],
      ['a change outside', [a], 'RECORD_MISPLACED'],
      ['an end outside', [end()], 'RECORD_MISPLACED'],
      ['changes out of order', [begin, b, a, end(b, a)], 'ORDER_INVALID'],
    ]
    const before = blobs()
    for (const [why, records, code] of rows) await t.rejects(pack(records), { code }, why)
    t.same(blobs(), before)
    t.match(
      await pack([begin, a, end(a, b)], { filtered: true }),
      [{ digest: /./ }],
      'unless a filter is owned up to',
    )
  })

  t.test('a step that was packed before is not read again', async t => {
    const source = path.join(top, 'source')
    fs.writeFileSync(source, 'hello')
    const one = change('f', source)
    const step = [{ ...begin, cacheKey: KEY }, one, end(one)]
    const [first] = await pack(step)
    fs.rmSync(source)
    const [again] = await pack([{ ...begin, cacheKey: KEY, createdBy: 'RUN y' }, ...step.slice(1)])
    t.same(again, { ...first, createdBy: 'RUN y' })
    await t.rejects(
      pack([step[0] as AnyRecord, end(one)]),
      { code: 'CHANGES_MISMATCH' },
      'its changes are still checked',
    )
    const others: [string, Partial<LayerPackOptions>][] = [
      ['another level', { compress: { format: 'gzip', level: 1 } }],
      ['another format', { compress: { format: 'none' } }],
      ['nanoseconds', { mtimeNs: true }],
      ['another epoch', { sourceDateEpoch: 1 }],
      ['another family', { family: 'docker' }],
      ['filtered', { filtered: true }],
    ]
    for (const [why, options] of others) await t.rejects(pack(step, options), { code: 'ENOENT' }, why)
  })
})

t.test('a stream that names a private file as the source of an entry', async t => {
  const top = fs.realpathSync(tempDir(t, 'sources'))
  const store = path.join(top, 'store')
  const write = (name: string, text: string): string => {
    fs.mkdirSync(path.dirname(path.join(top, name)), { recursive: true })
    fs.writeFileSync(path.join(top, name), text)
    return path.join(top, name)
  }
  const secret = write('home/id_ed25519', 'PRIVATE KEY')
  const good = write('trees/a/file', 'x')
  write('trees-of-others/file', 'y')
  fs.symlinkSync(path.join(top, 'home'), path.join(top, 'trees/link'))
  fs.symlinkSync(path.join(top, 'trees'), path.join(top, 'alias'))
  const rows: readonly [source: string, roots: string[], code: string, why: string][] = [
    [good, ['trees'], '', 'below the folder'],
    [good, ['alias'], '', 'below a folder that is given by a link'],
    [path.join(top, 'alias/a/file'), ['trees'], '', 'by a link that leads into it'],
    [good, ['home', 'trees'], '', 'below one of two'],
    [secret, [], '', 'anywhere, unless said'],
    [secret, ['trees'], 'SOURCE_OUTSIDE', 'a file elsewhere'],
    [path.join(top, 'trees/../home/id_ed25519'), ['trees'], 'SOURCE_OUTSIDE', 'by ..'],
    [path.join(top, 'trees/link/id_ed25519'), ['trees'], 'SOURCE_OUTSIDE', 'by a link that leads out of it'],
    [path.join(top, 'trees-of-others/file'), ['trees'], 'SOURCE_OUTSIDE', 'a folder whose name begins so'],
    [good, ['nowhere'], 'ENOENT', 'a folder that is not there'],
  ]
  for (const [source, roots, code, why] of rows) {
    const one = change('a', source)
    const records = [{ ...begin }, one, end(one), { type: 'end', tool: 'x', records: 3, failed: 0 }]
    const flags = roots.map(root => `--source-root '${path.join(top, root)}'`).join(' ')
    const program = `'${process.execPath}' '${path.resolve('dist/cli.cjs')}' --store '${store}' ${flags}`
    const run = await runPipe(program, {
      input: records.map(record => `${JSON.stringify(record)}\n`).join(''),
    })
    t.equal(run.status, code === '' ? 0 : 1, `${why}: ${run.stderr}`)
    if (code !== '') t.match(run.stderr, `[${code}]`, why)
  }
})

t.test('the program', async t => {
  const top = tempDir(t, 'pack')
  fs.mkdirSync(path.join(top, 'tree/d'), { recursive: true })
  fs.writeFileSync(path.join(top, 'tree/d/f'), 'hello')
  fs.mkdirSync(path.join(top, 'none'))
  execFileSync('tar', ['-C', path.join(top, 'tree'), '-czf', path.join(top, 't.tgz'), '.'])
  const env = { PIPELAYER_STORE: path.join(top, 'store') }
  const diffID = async (command: string, more: object = {}): Promise<unknown> =>
    (await runPipe(command, { cwd: top, env: { ...env, ...more } })).records()[0]?.diffID
  const tree = await diffID('layer-pack --dir tree')
  t.equal(
    await diffID('layer-pack --dir tree/../tree/ --compress zstd:1 --workers 1'),
    tree,
    'no compression alters the diffID',
  )
  t.equal(
    await diffID('ovl-diff tree | layer-pack --compress none'),
    tree,
    'nor the way that the changes took',
  )
  t.not(
    await diffID('layer-pack --dir tree', { SOURCE_DATE_EPOCH: '1' }),
    tree,
    'SOURCE_DATE_EPOCH clamps times',
  )
  const kept = execFileSync('sh', ['-c', `gzip -dc ${top}/t.tgz | sha256sum`], { encoding: 'utf8' }).slice(
    0,
    64,
  )
  for (const command of [
    'layer-pack --tar t.tgz',
    'layer-pack --tar - < t.tgz',
    'gzip -dc t.tgz | layer-pack --tar -',
  ])
    t.equal(await diffID(command), `sha256:${kept}`, command)

  const rows: [string, string, number, RegExp, object?][] = [
    [
      '--created',
      'layer-pack --dir tree --created 2024-05-06T07:08:09Z --created-by me',
      0,
      /"createdBy":"me","created":"2024-05-06T07:08:09Z"/,
    ],
    ['an empty tree', 'layer-pack --dir none', 0, /"empty":true/],
    [
      'Docker media types',
      'layer-pack --dir tree --media-types docker',
      0,
      /vnd\.docker\.image\.rootfs\.diff\.tar\.gzip/,
    ],
    ['Docker has no zstd', 'layer-pack --dir tree --media-types docker --compress zstd', 2, /USAGE/],
    ['no such compression', 'layer-pack --compress lzma', 2, /COMPRESSION_UNKNOWN/],
    ['both sources', 'layer-pack --dir tree --tar t.tgz', 2, /USAGE/],
    ['no tree', 'layer-pack --dir nowhere', 1, /NOT_A_DIRECTORY/],
    ['no tar', 'layer-pack --tar nowhere', 1, /ENOENT/],
    [
      'a filter that drops a change',
      `ovl-diff tree | jq -c 'select(.path != "d/f")' | layer-pack`,
      1,
      /CHANGES_MISMATCH/,
    ],
    ['a producer that died', 'ovl-diff tree | head -n 2 | layer-pack', 1, /LAYER_INCOMPLETE|INPUT_CUT/],
  ]
  for (const [why, command, status, output] of rows)
    await t.test(why, { skip: command.includes('jq') && need('jq') }, async t => {
      const result = await runPipe(command, { cwd: top, env })
      t.equal(result.status, status, result.stderr)
      t.match(result.stdout + result.stderr, output)
    })
})

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { type AnyRecord, type ChangeRecord, changesDigest, collect, recordError } from '@pipelayer/records'
import { compareTrees, need, runPipe, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { layerLs, listFile, listStream } from '../src/index.js'
import { textForm } from '../src/text.js'

async function* each(...records: AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

/** A tar made by GNU tar from a folder that a shell script fills. */
function tarOf(top: string, name: string, script: string): string {
  const file = path.join(top, `${name}.tar`)
  const dir = path.join(top, `${name}.d`)
  fs.mkdirSync(dir)
  execFileSync('bash', ['-euc', script], { cwd: dir })
  execFileSync('tar', ['-C', dir, '--sort=name', '--mtime=@1700000000', '-czf', file, '.'])
  return file
}

function recordOf(file: string, more: object = {}): AnyRecord {
  const digest = `sha256:${execFileSync('sha256sum', [file], { encoding: 'utf8' }).slice(0, 64)}`
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'
  return { type: 'layer', image: '1', mediaType, digest, size: fs.statSync(file).size, path: file, ...more }
}

const nowhere = (digest: string): never => {
  throw new Error(`no blob ${digest}`)
}
const paths = (records: readonly AnyRecord[]): unknown[] =>
  records.map(({ type, path: name }) => (type === 'change' ? name : type))

t.test('layerLs()', async t => {
  const top = tempDir(t, 'ls')
  const one = tarOf(top, 'one', 'mkdir d; echo hi > d/f; touch .wh.x')
  const two = tarOf(top, 'two', 'echo 2 > g')
  const layers = [recordOf(one, { createdBy: 'RUN x', created: '2024-01-01T00:00:00Z' }), recordOf(two)]
  const note = { type: 'x-note', n: 1 }
  const empty = { type: 'layer', image: '1', empty: true }
  const list = (wanted: readonly string[], ...records: AnyRecord[]): Promise<AnyRecord[]> =>
    collect(layerLs(each(...records), { open: nowhere, layers: wanted }))

  const records = await list([], note, ...layers, empty, note)
  t.same(paths(records), [
    'x-note',
    ...['layer-begin', '.', 'x', 'd', 'd/f', 'layer-end'],
    ...['layer-begin', '.', 'g', 'layer-end'],
    'layer',
    'x-note',
  ])
  for (const record of records) t.equal(recordError(record), undefined)
  t.same(records[1], {
    type: 'layer-begin',
    image: '1',
    createdBy: 'RUN x',
    created: '2024-01-01T00:00:00Z',
    order: 'listed',
  })
  t.match(records[5], { entry: { size: 3, content: { digest: layers[0]?.digest, path: one } } })
  const digest = changesDigest()
  for (const record of records.slice(2, 6)) digest.update(record as ChangeRecord)
  t.same(records[6], { type: 'layer-end', changes: 4, digest: digest.digest() })

  const rows: [string, string[], string[]][] = [
    ['by number', ['2'], ['layer', 'layer-begin', '.', 'g', 'layer-end']],
    ['by digest', [String(layers[1]?.digest)], ['layer', 'layer-begin', '.', 'g', 'layer-end']],
    [
      'both',
      ['1', '2'],
      ['layer-begin', '.', 'x', 'd', 'd/f', 'layer-end', 'layer-begin', '.', 'g', 'layer-end'],
    ],
  ]
  for (const [why, wanted, expected] of rows) t.same(paths(await list(wanted, ...layers)), expected, why)

  const bad: [string, AnyRecord[], string[], string][] = [
    ['no such layer', layers, ['3'], 'LAYER_NOT_FOUND'],
    ['no digest', [{ type: 'layer', image: '1', path: one }], [], 'LAYER_INVALID'],
    ['another blob than it says', [recordOf(one, { path: two })], [], 'SIZE_MISMATCH'],
    ['another tar than it says', [recordOf(one, { diffID: layers[0]?.digest })], [], 'DIFF_ID_MISMATCH'],
  ]
  for (const [why, given, wanted, code] of bad)
    await t.rejects(async () => await list(wanted, ...given), { code }, why)
  await t.rejects(list([], recordOf(one, { path: '/none' })), /no blob/, 'a path that leads nowhere')
})

t.test('a tar by itself', async t => {
  const top = tempDir(t, 'tar')
  const file = tarOf(top, 'a', 'mkdir d; echo hi > d/f')
  const records = await collect(listFile(file))
  t.same(paths(records), ['layer-begin', '.', 'd', 'd/f', 'layer-end'])
  t.match(records[3], { entry: { content: { digest: recordOf(file).digest, path: file } } })
  const streamed = await collect(listStream(fs.createReadStream(file)))
  t.same(paths(streamed), paths(records))
  t.notOk((streamed[3] as ChangeRecord).entry?.content, 'what comes once lies nowhere')
  await t.rejects(collect(listFile(path.join(top, 'none'))), { code: 'ENOENT' })
  fs.writeFileSync(path.join(top, 'text'), 'no tar at all'.repeat(100))
  await t.rejects(collect(listFile(path.join(top, 'text'))), { code: 'TAR_INVALID' })
})

t.test('text', async t => {
  const form = textForm('text')
  const entry = { type: 'file', mode: '0644', uid: 0, gid: 5, mtime: '1700000000.5', size: 7 }
  const rows: [AnyRecord, string][] = [
    [{ type: 'change', op: 'add', path: 'a b', entry }, '-rw-r--r-- 0/5          7 2023-11-14 22:13 a b\n'],
    [
      { type: 'change', op: 'add', path: 'a\x1b[2J', entry },
      '-rw-r--r-- 0/5          7 2023-11-14 22:13 a\\x1b[2J\n',
    ],
    [
      {
        type: 'change',
        op: 'add',
        path: 't',
        entry: { ...entry, type: 'dir', mode: '7770', size: undefined },
      },
      'drwsrws--T 0/5          0 2023-11-14 22:13 t\n',
    ],
    [
      {
        type: 'change',
        op: 'add',
        path: 'l',
        entry: { ...entry, type: 'symlink', mode: '0777', size: 0, linkname: '../x' },
      },
      'lrwxrwxrwx 0/5          0 2023-11-14 22:13 l -> ../x\n',
    ],
    [
      { type: 'change', op: 'add', path: 'h', entry: { ...entry, type: 'hardlink', linkname: 'a' } },
      'hrw-r--r-- 0/5          7 2023-11-14 22:13 h link to a\n',
    ],
    [
      { type: 'change', op: 'add', path: 'c', entry: { ...entry, type: 'char', devmajor: 1, devminor: 3 } },
      'crw-r--r-- 0/5        1,3 2023-11-14 22:13 c\n',
    ],
    [
      { type: 'change', op: 'add', path: 'o', entry: { ...entry, mtime: '99999999999999' } },
      '-rw-r--r-- 0/5          7 99999999999999 o\n',
    ],
    [{ type: 'change', op: 'delete', path: 'gone' }, 'x delete gone\n'],
    [{ type: 'change', op: 'opaque', path: 'd' }, 'x opaque d\n'],
    [{ type: 'layer-begin', image: '1', createdBy: 'RUN\nx' }, '# RUN\\x0ax\n'],
    [{ type: 'layer-begin', image: '1' }, ''],
    [{ type: 'x-note' }, ''],
  ]
  for (const [record, line] of rows) t.equal(form?.record(record), line)
  t.equal(form?.end({ type: 'end' }), '')
  t.equal(textForm('records'), undefined)
})

t.test('an edit of a layer', { skip: need('root') }, async t => {
  const top = tempDir(t, 'edit')
  const env = { PIPELAYER_STORE: path.join(top, 'store') }
  tarOf(
    top,
    'base',
    'mkdir etc; echo 1 > etc/a; echo 2 > etc/b; chmod 4755 etc/b; ln etc/a etc/z; mknod null c 1 3',
  )
  tarOf(top, 'next', 'mkdir etc; echo 3 > etc/c; touch etc/.wh.a')
  const made = await runPipe(
    `for i in base next; do layer-pack --tar $i.tar | grep '"layer"'; done | manifest-gen --no-end -t x:1 | blob-put oci:in:1 > /dev/null`,
    { cwd: top, env },
  )
  t.equal(made.status, 0, made.stderr)

  const same = await runPipe(
    'img-pull oci:in:1 | layer-ls | layer-pack | manifest-gen -t x:2 | blob-put oci:out:1 > /dev/null; img-pull oci:in:1 | untar a > /dev/null; img-pull oci:out:1 | untar b > /dev/null',
    { cwd: top, env },
  )
  t.equal(same.status, 0, same.stderr)
  t.same(compareTrees(path.join(top, 'a'), path.join(top, 'b')), [], 'untouched: an equal tree')

  const edit = `select(.path != "null") | if .path == "etc/b" then .path = "etc/y" | .entry.uid = 7 else . end`
  const edited = await runPipe(
    `img-pull oci:in:1 | layer-ls --layer 1 | jq -c '${edit}' | layer-pack --filtered | manifest-gen -t x:3 | untar c > /dev/null; find c -printf '%P %U %m\\n' | sort; cat c/etc/y`,
    { cwd: top, env },
  )
  t.equal(edited.stdout, ' 0 755\netc 0 755\netc/c 0 644\netc/y 7 4755\netc/z 0 644\n2\n', edited.stderr)

  const refused = await runPipe(
    `img-pull oci:in:1 | layer-ls --layer 1 | jq -c '${edit}' | layer-pack > /dev/null`,
    { cwd: top, env },
  )
  t.match(refused.stderr, /CHANGES_MISMATCH/, 'an edit has to be owned up to')
})

t.test('the program', async t => {
  const top = tempDir(t, 'cli')
  tarOf(top, 'a', 'echo hi > f')
  const text = await runPipe('layer-ls --format text a.tar; layer-ls --format text - < a.tar', { cwd: top })
  const ids = `${process.getuid?.()}/${process.getgid?.()}`
  t.match(text.stdout, new RegExp(`^d\\S+ ${ids} .* \\.\n-rw\\S+ ${ids} +3 2023-11-14 22:13 f\nd`))
  t.same([text.status, text.stderr], [0, ''])
  const wrong = await runPipe('layer-ls --layer x', {
    cwd: top,
    input: '{"type":"end","tool":"x","records":0,"failed":0}\n',
  })
  t.same([wrong.status, wrong.stdout], [2, ''], 'a wrong choice is a wrong command line')
})

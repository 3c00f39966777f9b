// Inputs that have broken other unpackers and packers: each line of the checklist of bad inputs, named by its advisory
// or by its words, is given to our programs. A bad input is refused, with one line on stderr and nothing published, or
// does no harm.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { lsetxattr, mknod } from '@pipelayer/sys'
import { need } from '@pipelayer/testkit'
import t from 'tap'
import { archive, file, type Item, listing, size, TARGET, type Trap, trap } from './checklist/archives.js'
import { DIFFERENTIALS, PACKED } from './checklist/differentials.js'
import { ESCAPES } from './checklist/escapes.js'
import type { Row } from './checklist/row.js'
import { WHITEOUTS } from './checklist/whiteouts.js'

const needsRoot = { skip: need('root') }
/** The folder of the canary is three steps up from the target. */
const OUT = '../../../canary'

for (const [section, rows] of Object.entries({ ESCAPES, DIFFERENTIALS, WHITEOUTS, PACKED })) {
  t.test(section.toLowerCase(), needsRoot, async t => {
    // The overlay form follows links and hides files in its own way, so these rows are run in both forms. A broken
    // archive is broken in both.
    const forms = rows === ESCAPES || rows === WHITEOUTS ? ['', '--overlay'] : ['']
    for (const row of rows) await t.test(row.why, async t => check(t, row, forms))
  })
}

type Test = Pick<typeof t, 'equal' | 'same' | 'match' | 'ok' | 'notOk' | 'teardown'>

async function check(t: Test, row: Row, forms: readonly string[]): Promise<void> {
  const layers = row.layers.map(layer => (Buffer.isBuffer(layer) ? layer : archive(layer)))
  const place = trap(t, layers)
  const tars = layers.map((_, index) => `--tar ${index}.tar`).join(' ')
  for (const form of forms) {
    const { status, stderr } = await place.run(`untar ${form} ${tars} ${TARGET}`)
    t.same(place.changed(), [], `${form} nothing outside has changed`)
    if (row.code !== undefined) refused(t, { status, stderr, code: row.code })
    else t.equal(status, 0, `${form} ${stderr}`)
    const left = fs.readdirSync(place.path('a/b'))
    t.same(left, row.code === undefined ? ['target'] : [], `${form} nothing else is published or left behind`)
    if (row.code === undefined && form === '') inside(t, place.path(TARGET), row)
    fs.rmSync(place.path(TARGET), { recursive: true, force: true })
  }
  await checkPack(t, place, { row, file: `${layers.length - 1}.tar` })
}

/** Packs the last layer of a row. If layer-pack refuses it, no blob may be left. */
async function checkPack(t: Test, place: Trap, { row, file }: { row: Row; file: string }): Promise<void> {
  const code = row.pack ?? row.code ?? false
  const { status, stderr, records } = await place.run(`layer-pack --tar ${file} --compress none`)
  if (code === false) {
    t.equal(status, 0, stderr)
    t.equal(records().filter(({ type }) => type === 'layer').length, 1)
    return
  }
  refused(t, { status, stderr, code })
  t.same(blobs(place), [], 'no blob is left')
}

function refused(t: Test, { status, stderr, code }: { status: number; stderr: string; code: string }): void {
  t.equal(status, 1, stderr)
  const lines = stderr.trimEnd().split('\n')
  t.match(lines, [new RegExp(`^[a-z-]+: .*\\[${code}\\]$`)])
  t.equal(lines.length, 1, 'one line')
  t.notOk(/[\x00-\x09\x0b-\x1f]/.test(stderr), 'no control characters')
}

function inside(t: Test, root: string, { names, content = {}, check }: Row): void {
  if (names !== undefined) t.same(listing(root), names)
  for (const [name, text] of Object.entries(content))
    t.equal(fs.readFileSync(path.join(root, name), 'utf8'), text, name)
  check?.(root)
}

function blobs({ store }: Trap): string[] {
  const folder = path.join(store, 'blobs/sha256')
  return fs.existsSync(folder) ? fs.readdirSync(folder) : []
}

t.test('--into: what stands there is no way out', needsRoot, async t => {
  const rows: [string, string, readonly Item[], string | undefined][] = [
    ['a symlink as the last component', `ln -s ${OUT}/file x`, [file('x', 'in')], undefined],
    ['a symlink as a parent', `ln -s ${OUT} d`, [file('d/file', 'in')], undefined],
    [
      'a symlink where a directory comes',
      `ln -s ${OUT} d`,
      [{ name: 'd', type: 'dir', mode: 0o777 }],
      undefined,
    ],
    [
      'a second name of a file outside',
      `ln ${OUT}/run x`,
      [{ name: 'x', content: 'bad', mode: 0o777 }],
      undefined,
    ],
    [
      'a broken archive changes nothing',
      'echo kept > x',
      [file('x'), { name: 'y', over: size('9') }],
      'TAR_INVALID',
    ],
  ]
  for (const [why, script, items, code] of rows) {
    await t.test(why, async t => {
      const place = trap(t, [archive(items)])
      fs.mkdirSync(place.path(TARGET))
      spawnSync('bash', ['-c', script], { cwd: place.path(TARGET) })
      // A hard link to the file outside of the root changes its metadata, but its content must stay.
      const before = fs.readFileSync(place.path('canary/run'), 'utf8')
      const { status, stderr } = await place.run(`untar --into --tar 0.tar ${TARGET}`)
      if (code !== undefined) refused(t, { status, stderr, code })
      else t.equal(status, 0, stderr)
      t.same(place.changed(), [])
      t.equal(fs.readFileSync(place.path('canary/run'), 'utf8'), before)
      if (code !== undefined) t.equal(fs.readFileSync(place.path(TARGET, 'x'), 'utf8'), 'kept\n')
    })
  }
})

t.test('records of a registry are no paths and no proof', needsRoot, async t => {
  const tar = archive([file('x', 'ok')])
  const place = trap(t, [tar, archive([file('y', 'other')]), zlib.gzipSync(tar)])
  const { stdout } = await place.good('layer-pack --tar 0.tar --compress none')
  const layer = JSON.parse(stdout.split('\n')[0] ?? '') as Record<string, unknown>
  fs.rmSync(place.store, { recursive: true })
  const gzipped = {
    ...layer,
    path: place.path('2.tar'),
    digest: sha256(zlib.gzipSync(tar)),
    size: zlib.gzipSync(tar).length,
  }
  const rows: [string, object, string | undefined][] = [
    [
      'a digest that is a path (CVE-2024-3727)',
      { digest: 'sha256:../../../canary/file', path: undefined },
      'RECORD_INVALID',
    ],
    ['other bytes at its path', { path: place.path('1.tar') }, 'DIGEST_MISMATCH'],
    ['a longer blob', { path: place.path('0.tar'), size: 5 }, 'SIZE_MISMATCH'],
    ['a negative size', { path: place.path('0.tar'), size: -1 }, 'RECORD_INVALID'],
    [
      'a diffID of something else',
      { path: place.path('0.tar'), diffID: `sha256:${'0'.repeat(64)}` },
      'DIFF_ID_MISMATCH',
    ],
    [
      'gzip that is called zstd is read as what it is',
      { ...gzipped, mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' },
      undefined,
    ],
    [
      'a tar that is called gzip, too',
      { path: place.path('0.tar'), mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip' },
      undefined,
    ],
  ]
  for (const [why, change, code] of rows) {
    const input = `${JSON.stringify({ ...layer, ...change })}\n{"type":"end","tool":"x","records":1,"failed":0}\n`
    const { status, stderr } = await place.run(`untar ${TARGET}`, { input })
    if (code !== undefined) refused(t, { status, stderr, code })
    else t.equal(status, 0, `${why}: ${stderr}`)
    t.equal(fs.existsSync(place.path(TARGET)), code === undefined, why)
    fs.rmSync(place.path(TARGET), { recursive: true, force: true })
    t.same(place.changed('store'), [], why)
  }
})

t.test(
  'no program of the PATH or of the image decompresses (CVE-2026-41567, GHSA-x86f-5xw2-fm2r)',
  needsRoot,
  async t => {
    const tar = archive([file('x', 'ok')])
    const place = trap(t, [zlib.gzipSync(tar)])
    for (const name of ['gzip', 'unpigz', 'pigz', 'igzip', 'zstd', 'unzstd', 'tar'])
      fs.writeFileSync(place.path('a', name), `#!/bin/sh\ntouch ${place.path('ran')}\n`, { mode: 0o755 })
    const { status, stderr } = await place.run(`PATH=${place.path('a')}:$PATH untar --tar 0.tar ${TARGET}`)
    t.equal(status, 0, stderr)
    t.notOk(fs.existsSync(place.path('ran')))
    if (spawnSync('zstd', ['-q', place.path('0.tar'), '-o', place.path('z')]).status !== 0) return
    await place.run(`PATH=${place.path('a')}:$PATH layer-pack --tar z --compress zstd`)
    t.notOk(fs.existsSync(place.path('ran')))
  },
)

t.test('change sets', needsRoot, async t => {
  const place = trap(t, [])
  const upper = place.path('upper')
  const diff = 'ovl-diff --upper upper'
  await t.test('real files named .wh.x are refused', async t => {
    place.write({ 'upper/.wh.x': '' })
    refused(t, { ...(await place.run(diff)), code: 'WHITEOUT_NAME' })
    fs.rmSync(upper, { recursive: true })
  })
  await t.test(
    'a 0:0 device is a whiteout, in the trusted form and as an xattr in the user form',
    async t => {
      place.write({ 'upper/': '' })
      mknod(path.join(upper, 'gone'), fs.constants.S_IFCHR, 0)
      t.match((await place.good(diff)).records()[1], { op: 'delete', path: 'gone' })
      place.write({ 'user/gone': '' })
      lsetxattr(place.path('user/gone'), 'user.overlay.whiteout', Buffer.from('y'))
      t.match((await place.good('ovl-diff --upper user --xattrs user')).records()[1], {
        op: 'delete',
        path: 'gone',
      })
      await place.good(`${diff} | layer-pack --compress none | untar --no-end ${TARGET} || true`)
      fs.rmSync(upper, { recursive: true })
    },
  )
  await t.test('names that JSON cannot hold come out as they went in', async t => {
    place.write({ 'upper/': '' })
    for (const name of ['\xff\xfe', 'a\nb', '\x1b[2J'])
      fs.writeFileSync(Buffer.from(`${upper}/${name}`, 'latin1'), name)
    const { stdout } = await place.good('ovl-diff --upper upper | layer-pack --compress none')
    const [layer] = stdout.split('\n').map(line => JSON.parse(line || '{}') as { path?: string })
    await place.good(`untar --tar ${layer?.path} ${TARGET}`)
    t.same(fs.readdirSync(place.path(TARGET), 'latin1').sort(), ['\x1b[2J', 'a\nb', '\xff\xfe'])
    t.notMatch(stdout, /[\x1b\xff]/)
    fs.rmSync(upper, { recursive: true })
  })
  await t.test('a file that shrinks while it is packed (GHSA-29xp-372q-xqph)', async t => {
    place.write({ 'upper/f': 'a long content' })
    const { stdout } = await place.good(diff)
    place.write({ 'upper/f': 'short' })
    fs.rmSync(place.store, { recursive: true, force: true })
    refused(t, { ...(await place.run('layer-pack', { input: stdout })), code: 'FILE_CHANGED' })
    t.same(blobs(place), [])
  })
})

function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

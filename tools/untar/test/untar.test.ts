import { execFileSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { type AnyRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { lgetxattr } from '@pipelayer/sys'
import { compareTrees, isAlive, need, runPipe, startPipe, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { type UntarOptions, untar } from '../src/index.js'

const needsRoot = { skip: need('root') }

/** A store with an image of two layers: `a`, `d/b`; then `d/c`, and `a` gone. */
function imageIn(top: string): { store: Store; layers: AnyRecord[]; config: AnyRecord; manifest: AnyRecord } {
  const store = Store.open(path.join(top, 'store'))
  const scripts = [
    'mkdir d; echo 1 > a; echo 2 > d/b; chmod 700 d',
    'mkdir d; echo 3 > d/c; : > .wh.a; chmod 711 d',
  ]
  const layers = scripts.map((script, index) => {
    const dir = path.join(top, `layer${index}`)
    fs.mkdirSync(dir)
    execFileSync('sh', ['-ec', script], { cwd: dir })
    const tar = execFileSync('sh', ['-c', 'tar -cf - $(ls -A)'], { cwd: dir })
    const { digest, size, path: file } = store.putBytes(execFileSync('gzip', ['-n'], { input: tar }))
    const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip'
    return { type: 'layer', image: '1', mediaType, digest, size, diffID: digestOf(tar), path: file }
  })
  const document = {
    os: 'linux',
    architecture: 'amd64',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffID }) => diffID) },
  }
  const config = {
    mediaType: 'application/vnd.oci.image.config.v1+json',
    ...store.putBytes(Buffer.from(JSON.stringify(document))),
  }
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const bare = ({ mediaType, digest, size }: Record<string, unknown>): object => ({ mediaType, digest, size })
  const text = JSON.stringify({ schemaVersion: 2, mediaType, config: bare(config), layers: layers.map(bare) })
  return {
    store,
    layers,
    config: { type: 'config', image: '1', ...config, config: document },
    manifest: { type: 'manifest', image: '1', root: true, mediaType, ...store.putBytes(Buffer.from(text)) },
  }
}

async function* stream(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

async function* cut(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
  throw new Error('cut')
}

t.test('untar()', needsRoot, async t => {
  const top = tempDir(t, 'untar')
  const { store, layers, config, manifest } = imageIn(top)
  const [base = {} as AnyRecord, upper = {} as AnyRecord] = layers
  const all = [base, upper, config, manifest]
  const target = path.join(top, 'out/rootfs')
  fs.mkdirSync(path.dirname(target))
  const run = (records: AsyncIterable<AnyRecord>, more: Partial<UntarOptions> = {}): Promise<AnyRecord[]> =>
    collect(untar(records, { target, store: () => store, ...more }))
  const empty = { type: 'layer', image: '1', empty: true }
  const damaged = path.join(top, 'damaged')
  fs.writeFileSync(
    damaged,
    Buffer.concat([fs.readFileSync(String(upper.path)).subarray(0, -1), Buffer.from('x')]),
  )
  const other = (record: AnyRecord): AnyRecord => ({ ...record, image: '2' })
  const digest = digestOf('other')
  const rows: [string, AsyncIterable<AnyRecord>, string][] = [
    ['a stream that was cut', cut(all), 'cut'],
    ['a layer that a filter dropped', stream([base, config, manifest]), 'LAYER_MISMATCH'],
    ['with its manifest', stream([base, config]), 'DIFF_ID_MISMATCH'],
    ['layers in another order', stream([upper, base, config, manifest]), 'LAYER_MISMATCH'],
    ['a dropped config', stream([base, upper, manifest]), 'CONFIG_MISSING'],
    ['no layer at all', stream([config, manifest]), 'NO_LAYERS'],
    ['nothing', stream([]), 'NO_LAYERS'],
    ['two images', stream([base, other(upper)]), 'MANY_IMAGES'],
    ['an index', stream([...all, { ...manifest, type: 'index' }]), 'MANY_IMAGES'],
    ['a blob that was damaged', stream([base, { ...upper, path: damaged }]), 'DIGEST_MISMATCH'],
    ['a blob that is too long', stream([base, { ...upper, size: 5 }]), 'SIZE_MISMATCH'],
    ['another tar than was said', stream([base, { ...upper, diffID: digest }]), 'DIFF_ID_MISMATCH'],
    ['a blob that is nowhere', stream([base, { ...upper, digest, path: '/nowhere' }]), 'BLOB_UNKNOWN'],
    [
      'a manifest that is nowhere',
      stream([base, upper, config, { ...manifest, digest, path: '/nowhere' }]),
      'BLOB_UNKNOWN',
    ],
    ['a layer without a digest', stream([{ type: 'layer', image: '1' }]), 'LAYER_INVALID'],
  ]
  for (const [why, records, code] of rows) {
    await t.rejects(run(records), code === 'cut' ? /cut/ : { code }, why)
    t.same(fs.readdirSync(path.dirname(target)), [], `${why}: nothing is there`)
  }
  const note = { type: 'x-note' }
  t.same(await run(stream([note, empty, ...all])), [note, empty, ...all], 'all records pass')
  t.same(fs.readdirSync(target), ['d'])
  t.same(fs.readdirSync(`${target}/d`), ['b', 'c'])
  t.equal(fs.statSync(`${target}/d`).mode & 0o7777, 0o711)
  await t.rejects(run(stream(all)), { code: 'TARGET_NOT_EMPTY' })

  const lost = all.map(({ path: _, ...record }) => record as unknown as AnyRecord)
  await run(stream(lost), { target: path.join(top, 'out/2') })
  t.same(
    compareTrees(target, path.join(top, 'out/2')).filter(line => !line.startsWith('.:')),
    [],
    'the store has the blobs',
  )

  const into = path.join(top, 'out/into')
  fs.mkdirSync(into)
  fs.writeFileSync(`${into}/own`, '')
  await t.rejects(run(stream([{ ...base, diffID: digest }]), { target: into, into: true }), {
    code: 'DIFF_ID_MISMATCH',
  })
  t.same(fs.readdirSync(into), ['own'], 'a layer is verified before it is applied in place')
  await run(stream(all), { target: into, into: true })
  t.same(fs.readdirSync(into), ['d', 'own'])

  const form = path.join(top, 'out/form')
  await run(stream(all), { target: form, overlay: 'trusted' })
  const names = layers.map(({ diffID }, index) => `000${index + 1}-${String(diffID).slice(7, 19)}`)
  t.same(fs.readdirSync(form), [...names, 'lowers'])
  t.equal(fs.readFileSync(`${form}/lowers`, 'utf8'), `${names[1]}\n${names[0]}\n`)
  t.ok(fs.statSync(`${form}/${names[1]}/a`).isCharacterDevice())
  t.equal(lgetxattr(`${form}/${names[1]}/d`, 'trusted.overlay.opaque'), undefined)
})

t.test('the program', needsRoot, async t => {
  const top = tempDir(t, 'untar')
  const { layers, config, manifest } = imageIn(top)
  const lines = (records: readonly AnyRecord[]): string =>
    records.map(record => `${JSON.stringify(record)}\n`).join('')
  const end = '{"type":"end","tool":"x","records":4,"failed":0}\n'
  const all = lines([...layers, config, manifest])
  fs.writeFileSync(path.join(top, 'hostile'), execFileSync('python3', ['-c', HOSTILE]))
  execFileSync('sh', ['-c', 'tar -C layer0 -cf 0.tar .; tar -C layer1 -czf 1.tgz .; mkdir -p full/x'], {
    cwd: top,
  })
  const rows: {
    why: string
    command: string
    input?: string
    status: number
    there?: string[]
    stderr?: RegExp
  }[] = [
    { why: 'an image', command: 'untar out', input: all + end, status: 0, there: ['d'] },
    { why: 'a cut stream', command: 'untar out', input: all, status: 1, stderr: /INPUT_CUT/ },
    { why: 'which --no-end takes', command: 'untar --no-end out', input: all, status: 0, there: ['d'] },
    {
      why: 'an error from above',
      command: 'untar out',
      input: `${all}{"type":"error","tool":"a","code":"B","message":"c"}\n`,
      status: 1,
      stderr: /\[B\]/,
    },
    { why: 'tars', command: 'untar --tar 0.tar --tar 1.tgz out', status: 0, there: ['d'] },
    {
      why: 'a hostile tar',
      command: 'untar --tar hostile out',
      status: 1,
      stderr: /cannot apply layer "hostile": entry "\.\.\/x" leaves the root \[PATH_ESCAPES\]/,
    },
    { why: 'a tar that is not there', command: 'untar --tar nowhere out', status: 1, stderr: /ENOENT/ },
    { why: 'no directory', command: 'untar', status: 2, stderr: /USAGE/ },
    {
      why: 'a full directory',
      command: 'untar full',
      input: all + end,
      status: 1,
      stderr: /TARGET_NOT_EMPTY/,
    },
    { why: '--into and --overlay', command: 'untar --into --overlay full', status: 2, stderr: /USAGE/ },
    { why: 'a parent that is not there', command: 'untar no/out', status: 1, stderr: /ENOENT/ },
  ]
  for (const { why, command, input = '', status, there, stderr = /^$/ } of rows) {
    const result = await runPipe(command, {
      cwd: top,
      input,
      env: { PIPELAYER_STORE: path.join(top, 'store') },
    })
    t.equal(result.status, status, `${why}: ${result.stderr}`)
    t.match(result.stderr, stderr, why)
    const out = path.join(top, 'out')
    t.same(fs.existsSync(out) ? fs.readdirSync(out) : undefined, there, why)
    fs.rmSync(out, { recursive: true, force: true })
    t.same(
      fs.readdirSync(top).filter(name => name.startsWith('.untar')),
      [],
      `${why}: nothing hidden is left`,
    )
  }
})

const HOSTILE = `
import tarfile, sys, io
b = io.BytesIO(); t = tarfile.open(fileobj=b, mode='w'); t.addfile(tarfile.TarInfo('../x')); t.close()
sys.stdout.buffer.write(b.getvalue())
`

t.test('whoever is stopped leaves nothing', needsRoot, async t => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGKILL'] as const) {
    const top = tempDir(t, 'untar')
    const { layers } = imageIn(top)
    const pipe = startPipe('untar out', { cwd: top, input: 'open' })
    pipe.child.stdin?.write(`${JSON.stringify(layers[0])}\n`)
    const hidden = (): string[] => fs.readdirSync(top).filter(name => name.startsWith('.untar'))
    await waitUntil('a layer is being unpacked', () => hidden().length > 0)
    const pid = Number(hidden()[0]?.split('.')[3])
    t.ok(isAlive(pid))
    process.kill(pid, signal)
    await pipe.done
    t.notOk(fs.existsSync(path.join(top, 'out')), signal)
    if (signal !== 'SIGKILL') t.same(hidden(), [], signal)
    await runPipe(`untar --tar ${layers[1]?.path} other`, { cwd: top })
    t.same(hidden(), [], `${signal}: the next one sweeps`)
  }
})

t.test('the caller’s rights', needsRoot, async t => {
  const top = tempDir(t, 'untar')
  fs.chmodSync(top, 0o777)
  fs.writeFileSync(path.join(top, 'x'), crypto.randomBytes(10))
  execFileSync('sh', ['-c', 'mknod n c 1 3; chmod 4755 x; tar -cf t.tar n x'], { cwd: top })
  const result = await runPipe('setpriv --reuid 65534 --regid 65534 --clear-groups untar --tar t.tar out', {
    cwd: top,
  })
  t.equal(result.status, 0, result.stderr)
  t.match(result.stderr, /layer "t.tar": left out 1 devices, the owners of 1 entries/)
  t.same(fs.readdirSync(path.join(top, 'out')), ['x'])
  t.equal(fs.statSync(path.join(top, 'out/x')).mode & 0o7777, 0o755)
})

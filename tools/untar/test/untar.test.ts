import { execFileSync } from 'node:child_process'
import crypto from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import type { BlobFile } from '@pipelayer/layer-blob'
import { type AnyRecord, collect } from '@pipelayer/records'
import { lgetxattr } from '@pipelayer/sys'
import { compareTrees, isAlive, need, runPipe, startPipe, tempDir, waitUntil } from '@pipelayer/testkit'
import { ReadingThread } from '@pipelayer/unpacking'
import t from 'tap'
import { type UntarOptions, untar } from '../src/index.js'
import { imageIn } from './kit.js'

const needsRoot = { skip: need('root') }

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

  const own = String(upper.path)
  const good = fs.readFileSync(own)
  for (const more of [{}, { into: true }]) {
    fs.writeFileSync(own, Buffer.concat([good.subarray(0, -9), Buffer.alloc(9)]))
    const why = { code: 'DIGEST_MISMATCH', message: /damaged in the store, and is set aside: pull or build/ }
    await t.rejects(
      run(stream(all), { target: path.join(top, 'out/3'), ...more }),
      why,
      'damaged in the store',
    )
    t.notOk(store.hasBlob(String(upper.digest)), 'it counts as missing')
    fs.writeFileSync(own, good)
  }

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
      why: 'an error from above, which the program above has said itself',
      command: 'untar out',
      input: `${all}{"type":"error","tool":"a","code":"B","message":"c"}\n`,
      status: 1,
      stderr: /^$/,
    },
    {
      why: 'an error from above, when it is asked for',
      command: 'untar --verbose out',
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
  t.match(result.stderr, /warning: left out 1 devices, the owners of 1 entries\n$/)
  t.same(fs.readdirSync(path.join(top, 'out')), ['x'])
  t.equal(fs.statSync(path.join(top, 'out/x')).mode & 0o7777, 0o755)
})

t.test('a part of the image, other names, other owners, limits', needsRoot, async t => {
  const top = tempDir(t, 'untar')
  const script = [
    'mkdir -p app/bin etc/deep; echo hi > app/bin/x; ln app/bin/x app/bin/y; ln -s x app/bin/l',
    'echo e > etc/passwd; echo b > etc/b[1]; chmod 700 app; chmod 711 etc; chown 1000:1001 etc/passwd',
    'touch -d @1700000000 etc',
    'tar -czf 1.tgz app etc; rm -r app etc; mkdir etc; echo n > etc/new; : > etc/.wh.passwd; tar -cf 2.tar etc',
  ].join('\n')
  execFileSync('sh', ['-ec', script], { cwd: top })
  const rows: [why: string, options: string, tree: string[] | RegExp][] = [
    [
      'a directory with all below',
      '--subset app/bin',
      ['app', 'app/bin', 'app/bin/l', 'app/bin/x', 'app/bin/y'],
    ],
    ['any depth', "--subset '**/passwd'", ['etc', 'etc/passwd']],
    [
      'two of them',
      "--subset 'etc/p*' --subset /app/bin/x",
      ['app', 'app/bin', 'app/bin/x', 'etc', 'etc/passwd'],
    ],
    ['a set of bytes', "--subset '*/[!a-o]?[s]*'", ['etc', 'etc/passwd']],
    ['a literal bracket', "--subset 'etc/b\\[1\\]'", ['etc', 'etc/b[1]']],
    ['a star does not cross a slash', "--subset '*x'", []],
    ['later layers count', "--tar 2.tar --subset 'etc/*w*'", ['etc', 'etc/new']],
    ['a whiteout of what was unpacked', "--tar 2.tar --subset 'etc/pass*'", ['etc']],
    ['names lose a component, hard links too', '--strip 1 --subset app', ['bin', 'bin/l', 'bin/x', 'bin/y']],
    ['all components gone', '--strip 9', []],
    ['a hard link to what is left out', '--subset app/bin/y', /LINK_TARGET_MISSING/],
    ['too many entries', '--max-entries 3', /TOO_MANY_ENTRIES/],
    ['too many bytes', '--max-bytes 1000', /DECOMPRESSION_LIMIT/],
    ['an id that the map lacks', '--uid-map 0:5000:10', /ID_UNMAPPED/],
  ]
  for (const [why, options, want] of rows) {
    const { status, stderr } = await runPipe(`untar --tar 1.tgz ${options} out`, { cwd: top })
    const out = path.join(top, 'out')
    if (want instanceof RegExp) {
      t.equal(status, 1, why)
      t.match(stderr, want, why)
      t.notOk(fs.existsSync(out), why)
      continue
    }
    t.equal(status, 0, `${why}: ${stderr}`)
    t.same(fs.readdirSync(out, { recursive: true }).map(String).sort(), want, why)
    fs.rmSync(out, { recursive: true })
  }
  await runPipe("untar --tar 1.tgz --subset 'etc/passwd' --uid-map 0:5000:2000 out", { cwd: top })
  const [etc, passwd] = ['out/etc', 'out/etc/passwd'].map(name => fs.statSync(path.join(top, name)))
  t.same([etc?.mode, etc?.uid, etc?.mtimeMs], [0o40711, 5000, 1.7e12], 'a parent keeps what the layer says')
  t.same([passwd?.uid, passwd?.gid], [6000, 1001], 'ids on disk')
})

t.test('the thread that reads blobs', needsRoot, async t => {
  const top = tempDir(t, 'untar')
  fs.mkdirSync(path.join(top, 'tree'))
  for (let n = 0; n < 40; n++)
    fs.writeFileSync(path.join(top, 'tree', String(n)), crypto.randomBytes(1 << 18))
  execFileSync(
    'sh',
    ['-ec', 'tar -C tree -cf t.tar .; gzip -1k t.tar; zstd -q1k t.tar; head -c 9000000 t.tar.gz > cut'],
    { cwd: top },
  )
  const thread = new ReadingThread(path.resolve('dist/layer-thread.cjs'))
  t.teardown(() => thread.close())
  const blob = (name: string): BlobFile => ({
    file: path.join(top, name),
    expected: undefined,
    diffID: undefined,
    limits: {},
  })
  const want = digestOf(fs.readFileSync(path.join(top, 't.tar')))
  for (const name of ['t.tar.gz', 't.tar', 't.tar.zst']) {
    const { tar, finish } = thread.open(blob(name))
    const hash = crypto.createHash('sha256')
    for await (const chunk of tar) hash.update(chunk)
    t.equal(`sha256:${hash.digest('hex')}`, want, `${name}: its bytes`)
    t.equal(finish(), want, `${name}: the digest`)
    // If a reading is ended early, its remaining data must not be taken for that of the next one.
    for await (const _ of thread.open(blob(name)).tar) break
  }
  const read = async (job: BlobFile): Promise<void> => {
    for await (const _ of thread.open(job).tar);
  }
  const digest = `sha256:${'0'.repeat(64)}`
  await t.rejects(read(blob('cut')), { code: 'COMPRESSION_INVALID' } as unknown as Error, 'cut')
  await t.rejects(read({ ...blob('t.tar'), expected: { digest } }), {
    code: 'DIGEST_MISMATCH',
  } as unknown as Error)
  await t.rejects(read({ ...blob('t.tar.gz'), diffID: digest }), {
    code: 'DIFF_ID_MISMATCH',
  } as unknown as Error)
  await t.rejects(read({ ...blob('t.tar.zst'), limits: { maxBytes: 5e6 } }), {
    code: 'DECOMPRESSION_LIMIT',
  } as unknown as Error)
  await t.rejects(read(blob('none')), { code: 'ENOENT' } as unknown as Error, 'no such file')
})

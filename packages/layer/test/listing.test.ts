// Layers as records: listed, edited, packed again by reference, merged and compared without unpacking.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf } from '@pipelayer/digest'
import {
  applyLayer,
  BlobContents,
  diffImages,
  ImageTree,
  type ListedChange,
  type ListOptions,
  listLayer,
} from '@pipelayer/layer'
import { type ChangeRecord, type EntryFields, recordError } from '@pipelayer/records'
import { compareTrees, need, tempDir } from '@pipelayer/testkit'
import fc from 'fast-check'
import t from 'tap'
import { chunked, handmade, hard, type Item, line, link, shell, tarOf } from './kit.js'

async function listed(tar: Buffer, options: ListOptions = {}): Promise<ListedChange[]> {
  const all: ListedChange[] = []
  for await (const one of listLayer(chunked(tar, 700), options)) all.push(one)
  return all
}

async function changesOf(tar: Buffer, options: ListOptions = {}): Promise<ChangeRecord[]> {
  return (await listed(tar, options)).map(({ change }) => change)
}

/** Blobs in memory, and how often each was opened. */
class Blobs {
  readonly bytes = new Map<string, Buffer>()
  readonly opened: string[] = []
  readonly #temp: string

  constructor(temp: string) {
    this.#temp = temp
  }

  add(bytes: Buffer): string {
    const digest = digestOf(bytes)
    this.bytes.set(digest, bytes)
    return digest
  }

  contents(): BlobContents {
    return new BlobContents({
      open: digest => {
        this.opened.push(digest)
        const bytes = this.bytes.get(digest)
        if (bytes === undefined) throw new Error(`no blob ${digest}`)
        return chunked(bytes, 999)
      },
      tempFile: () => {
        const file = path.join(this.#temp, 'copy')
        const fd = fs.openSync(file, 'wx+')
        fs.unlinkSync(file)
        return fd
      },
    })
  }

  async pack(changes: Iterable<ChangeRecord>, order?: 'listed'): Promise<Buffer> {
    const contents = this.contents()
    try {
      return await tarOf(changes, { contents, ...(order === undefined ? {} : { order }) })
    } finally {
      await contents.close()
    }
  }
}

t.test('listLayer()', async t => {
  const items: Item[] = [
    { name: './', type: 'dir' },
    { name: './b/', type: 'dir', mode: 0o1777, uid: 3000000, gid: 5 },
    { name: 'b/f', content: 'hello', mtime: { seconds: 5, nanoseconds: 500 } },
    { name: '/a', xattrs: new Map([['user.x', Buffer.from([0, 255])]]) },
    link('b/s', '../../x'),
    hard('b/h', './b/f'),
    { name: 'b/\xff' },
    { name: 'dev', type: 'char', devmajor: 1, devminor: 3 },
    { name: '.wh.gone' },
    { name: 'b/.wh..wh..opq' },
    { name: '.wh..wh.plnk', type: 'dir' },
  ]
  const tar = handmade(items)
  const changes = await changesOf(tar, { blob: { digest: `sha256:${'1'.repeat(64)}`, path: '/x' } })
  t.same(changes.map(line), [
    'modify . dir',
    'add b dir',
    'add b/f file',
    'add a file',
    'add b/s symlink ../../x',
    'add b/h hardlink b/f',
    'add b/\\xff file',
    'add dev char',
    'delete gone',
    'opaque b',
  ])
  for (const change of changes) t.equal(recordError(change), undefined)
  const [, , file, empty] = changes
  t.match(file?.entry, {
    mode: '0644',
    mtime: '5.0000005',
    size: 5,
    content: { path: '/x', runs: undefined },
  })
  const offset = file?.entry?.content?.offset ?? 0
  t.equal(tar.toString('latin1', offset, offset + 5), 'hello', 'the offset is that of the bytes')
  t.match(empty?.entry, { xattrs: { 'user.x': 'AP8=' }, content: undefined }, 'an empty file lies nowhere')
  t.notOk((await changesOf(tar))[2]?.entry?.content, 'nor does anything without a blob')

  const rows: [string, Item[], string][] = [
    ['a name that leaves the root', [{ name: '../x' }], 'PATH_ESCAPES'],
    ['a symlink for a root', [{ name: './', type: 'symlink', linkname: 'x' }], 'ROOT_REPLACED'],
    ['a whiteout of nothing', [{ name: 'a/.wh.' }], 'WHITEOUT_INVALID'],
    ['a whiteout of the parent', [{ name: 'a/.wh...' }], 'WHITEOUT_INVALID'],
    ['an entry below a whiteout', [{ name: '.wh.a/b' }], 'WHITEOUT_INVALID'],
    ['a name that no program could open', [{ name: 'x/'.repeat(3000) }], 'NAME_TOO_LONG'],
  ]
  for (const [why, bad, code] of rows) await t.rejects(listed(handmade(bad)), { code }, why)
  await t.rejects(listed(tar.subarray(0, 700)), { code: 'TAR_TRUNCATED' })
  await t.rejects(listed(tar, { signal: AbortSignal.abort(new Error('stop')) }), /stop/)
})

t.test('bytes by reference', async t => {
  const top = tempDir(t, 'refs')
  const blobs = new Blobs(top)
  const big = 'x'.repeat(300_000)
  const tar = handmade([
    { name: 'a', content: 'one' },
    { name: 'b', content: big },
    { name: 'c', content: 'three' },
  ])
  const digest = blobs.add(gzipSync(tar))
  const changes = await changesOf(tar, { blob: { digest } })
  const [a, b, c] = changes as [ChangeRecord, ChangeRecord, ChangeRecord]
  t.same(await blobs.pack(changes, 'listed'), tar, 'untouched, of our own making: the same bytes')
  t.same(blobs.opened, [digest], 'read once')
  const reversed = await blobs.pack([c, b, a, { ...c, path: 'd' }], 'listed')
  t.same(
    reversed,
    handmade([
      { name: 'c', content: 'three' },
      { name: 'b', content: big },
      { name: 'a', content: 'one' },
      { name: 'd', content: 'three' },
    ]),
    'in any order, and twice',
  )
  t.same(await blobs.pack([b]), handmade([{ name: 'b', content: big }]), 'a filter took the rest away')

  const refer = (content: object, size = 3): ChangeRecord => ({
    ...a,
    entry: { ...(a.entry as EntryFields), size, content: { digest, offset: 0, ...content } },
  })
  const liar = digestOf('something else')
  blobs.bytes.set(liar, gzipSync(tar))
  const rows: [string, ChangeRecord[], string][] = [
    ['past the end', [refer({ offset: tar.length - 1 })], 'CONTENT_OUT_OF_RANGE'],
    ['past the end of a copy', [c, a, refer({ offset: 1e9 })], 'CONTENT_OUT_OF_RANGE'],
    ['a blob that is another', [refer({ digest: liar })], 'DIGEST_MISMATCH'],
    [
      'a blob that is another, read out of order',
      [refer({ digest: liar, offset: 900 }), refer({ digest: liar })],
      'DIGEST_MISMATCH',
    ],
    ['no digest', [refer({ digest: 'sha256:..' })], 'DIGEST_INVALID'],
    [
      'runs that overlap',
      [
        refer({
          runs: [
            [0, 2],
            [1, 1],
          ],
        }),
      ],
      'CHANGE_INVALID',
    ],
    ['runs beyond the file', [refer({ runs: [[0, 4]] })], 'CHANGE_INVALID'],
    [
      'a run whose end no number holds',
      [
        refer({
          runs: [
            [0, 1],
            [2 ** 53 - 1, 2 ** 53 - 1],
          ],
        }),
      ],
      'CHANGE_INVALID',
    ],
  ]
  for (const [why, list, code] of rows)
    await t.rejects(
      blobs.pack(
        list.map((one, i) => ({ ...one, path: `p${i}` })),
        'listed',
      ),
      { code },
      why,
    )
  await t.rejects(tarOf([a]), { code: 'CHANGE_INVALID' }, 'no blobs at hand')
  const many = Array.from({ length: 513 }, (_, i) => ({
    ...refer({ digest: blobs.add(Buffer.from(`${i}    `)) }),
    path: `p${i}`,
  }))
  await t.rejects(blobs.pack(many, 'listed'), { code: 'TOO_MANY_BLOBS' })
})

t.test('order of a listed layer', async t => {
  const blobs = new Blobs(tempDir(t, 'order'))
  const file = (name: string): ChangeRecord => ({
    type: 'change',
    op: 'add',
    path: name,
    entry: { type: 'file', mode: '0644', uid: 0, gid: 0, mtime: '0', size: 0 },
  })
  const linked = (name: string, linkname: string): ChangeRecord => ({
    ...file(name),
    entry: { type: 'hardlink', mode: '0644', uid: 0, gid: 0, mtime: '0', linkname },
  })
  const gone: ChangeRecord = { type: 'change', op: 'delete', path: 'a' }
  const rows: [string, ChangeRecord[], string | undefined][] = [
    ['any order, parents below', [file('z'), file('p/q'), file('a')], undefined],
    ['a whiteout beside its name', [gone, file('a')], undefined],
    ['a link to a link', [file('a'), linked('b', 'a'), linked('c', 'b')], undefined],
    ['a path twice', [file('a'), file('a')], 'DUPLICATE_ENTRY'],
    ['a whiteout twice', [gone, gone], 'DUPLICATE_ENTRY'],
    ['a link whose file a filter took', [linked('b', 'a')], 'LINK_TARGET_MISSING'],
    ['a path that is not clean', [file('a/../b')], 'CHANGE_INVALID'],
    ['a name that stands for a whiteout', [file('.wh.a')], 'WHITEOUT_NAME'],
  ]
  for (const [why, list, code] of rows) {
    if (code === undefined) t.ok((await blobs.pack(list, 'listed')).length > 0, why)
    else await t.rejects(blobs.pack(list, 'listed'), { code }, why)
  }
})

t.test('archives of GNU tar come back as equal trees', { skip: need('root') }, async t => {
  const top = tempDir(t, 'gnu')
  const blobs = new Blobs(top)
  const from = path.join(top, 'from')
  shell(
    from,
    `mkdir -p d/e; printf %s one > d/f; ln d/f d/g; ln -s ../x d/s; mkfifo p; mknod c c 1 3; chown 70000:3000000 d/f
     truncate -s 5M hole; printf %s x | dd of=hole bs=1 seek=3000000 conv=notrunc status=none
     truncate -s 1M empty-hole; head -c 400000 /dev/urandom > big; chmod 6755 big; chmod 0 d/e
     setfattr -n user.k -v $'v' big; printf %s z > "$(printf 'n\\xff')"; touch -d @1700000000 -h d/s; mkdir ${'long/'.repeat(40)} -p`,
  )
  const forms = [
    '--format=gnu',
    '--format=gnu --sparse',
    '--format=pax --xattrs',
    '--format=pax --sparse --sparse-version=0.1',
    '--format=pax --sparse --sparse-version=1.0 --xattrs',
    '--format=posix --sort=name',
  ]
  for (const [i, form] of forms.entries()) {
    const file = path.join(top, `${i}.tar`)
    shell(top, `tar -C from ${form} -cf ${file} .`)
    const tar = fs.readFileSync(file)
    const digest = blobs.add(tar)
    const packed = await blobs.pack(await changesOf(tar, { blob: { digest } }), 'listed')
    const [direct, round] = [`direct${i}`, `round${i}`]
    fs.writeFileSync(`${file}.2`, packed)
    shell(
      top,
      `mkdir ${direct} ${round}; tar --xattrs -C ${direct} -xpf ${file}; tar --xattrs -C ${round} -xpf ${file}.2`,
    )
    t.same(compareTrees(path.join(top, direct), path.join(top, round)), [], form)
  }
})

/** Applies layers in memory. */
async function treeOf(layers: readonly Buffer[], options: ListOptions = {}): Promise<ImageTree> {
  const tree = new ImageTree()
  for (const tar of layers) {
    tree.nextLayer()
    for (const one of await listed(tar, { ...options, blob: { digest: digestOf(tar) } })) tree.apply(one)
  }
  return tree
}

t.test('diffImages() and what it is told of', async t => {
  const dir = (name: string, more: Partial<Item> = {}): Item => ({ name, type: 'dir', ...more })
  const text = (name: string, content: string): Item => ({ name, content })
  const base = [dir('d'), text('d/a', '1'), text('d/b', '2'), text('x', '3'), hard('y', 'x')]
  const rows: [string, Item[][], Item[][], string[]][] = [
    ['nothing', [base], [base], []],
    [
      'one file among others',
      [base],
      [base, [text('d/a', 'new')]],
      ['modify d dir (parent)', 'modify d/a file'],
    ],
    ['a file that comes and goes', [base], [base, [text('d/c', '')], [text('d/.wh.c', '')]], []],
    [
      'a file that goes and comes back',
      [base],
      [base, [text('.wh.x', '')], [text('x', '4')]],
      ['modify x file'],
    ],
    [
      'a directory replaced',
      [base],
      [base, [text('.wh.d', '')], [dir('d'), text('d/n', '')]],
      ['modify d dir (parent)', 'delete d/a', 'delete d/b', 'add d/n file'],
    ],
    [
      'an opaque directory',
      [base],
      [base, [dir('d'), text('d/.wh..wh..opq', ''), text('d/a', '1')]],
      ['modify d dir (parent)', 'delete d/b'],
    ],
    [
      'a directory where a file was',
      [base],
      [base, [dir('x'), text('x/n', '')]],
      ['modify x dir', 'add x/n file'],
    ],
    ['a file where a directory was', [base], [base, [text('d', '')]], ['modify d file']],
    ['another owner of a directory', [base], [base, [dir('d', { uid: 7 })]], ['modify d dir']],
    [
      'a link to a file below: both are told',
      [base],
      [base, [hard('z', 'd/a')]],
      ['modify d dir (parent)', 'modify d/a file', 'add z hardlink d/a'],
    ],
    ['one name of two gone', [base], [base, [text('.wh.y', '')]], ['delete y']],
    [
      'two names, another file',
      [base],
      [base, [text('x', '5'), hard('y', 'x')]],
      ['modify x file', 'modify y hardlink x'],
    ],
    [
      'two files that become one',
      [[text('a', '1'), text('b', '1')]],
      [[text('a', '1'), hard('b', 'a')]],
      ['modify a file', 'modify b hardlink a'],
    ],
    [
      'through a symlink of a layer below',
      [[dir('u'), link('l', 'u')]],
      [[dir('u'), link('l', 'u')], [text('l/f', '')]],
      ['modify u dir (parent)', 'add u/f file'],
    ],
    [
      'through one that leads above the root',
      [[link('l', '../../u')]],
      [[link('l', '../../u')], [text('l/f', '')]],
      ['add u dir', 'add u/f file'],
    ],
    ['bookkeeping of AUFS', [base], [base, [dir('.wh..wh.plnk')]], []],
    ['the root', [base], [base, [dir('./', { mode: 0o700 })]], ['modify . dir']],
    ['a whiteout of nothing there', [base], [base, [text('q/.wh.r', '')]], []],
  ]
  for (const [why, before, after, expected] of rows) {
    const [a, b] = [
      await treeOf(before.map(handmade), { sums: true }),
      await treeOf(after.map(handmade), { sums: true }),
    ]
    t.same([...diffImages(a, b)].map(line), expected, why)
  }
  const hostile: [string, Item[][], string][] = [
    ['a path twice', [[text('a', '1'), text('a', '2')]], 'DUPLICATE_ENTRY'],
    ['a parent that is a file', [[text('a', ''), text('a/b', '')]], 'PARENT_NOT_DIRECTORY'],
    ['a link to nothing', [[hard('a', 'b')]], 'LINK_TARGET_MISSING'],
    ['a link to a directory', [[dir('d'), hard('a', 'd')]], 'LINK_INVALID'],
    ['a link to what it replaces', [[dir('d'), text('d/f', '')], [hard('d', 'd/f')]], 'LINK_TARGET_MISSING'],
    ['a link to itself', [[text('a', '')], [hard('a', 'a')]], 'LINK_INVALID'],
    ['symlinks in a circle', [[link('a', 'b'), link('b', 'a')], [text('a/f', '')]], 'TOO_MANY_SYMLINKS'],
    ['a file over its own directory', [[dir('d'), text('d/f', ''), text('e/../d', '')]], 'DUPLICATE_ENTRY'],
    [
      'a file over what a symlink led to',
      [[dir('d'), link('l', '.'), text('l/d/f', ''), text('d', '')]],
      'DUPLICATE_ENTRY',
    ],
  ]
  for (const [why, layers, code] of hostile) await t.rejects(treeOf(layers.map(handmade)), { code }, why)
})

t.test('random layers: in memory as on disk, and squashed', { skip: need('root') }, async t => {
  const top = tempDir(t, 'stack')
  let run = 0
  let compared = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(layerItems(), { minLength: 2, maxLength: 4 }),
      fc.nat(3),
      async (items, cut) => {
        const layers = items.map(handmade)
        const dir = path.join(top, String(run++))
        const keep = Math.min(cut, layers.length - 1)
        const failed = await applied(layers, `${dir}a`)
        const tree = await treeOf(layers).catch((error: unknown) => error as { code: string })
        if (!(tree instanceof ImageTree)) {
          // Which of two faults is named may differ.
          if (failed === undefined) throw new Error(`disk took it, memory: ${tree.code}`)
          return
        }
        if (failed !== undefined) throw new Error(`disk: ${failed}, memory took it`)
        await squashedIsEqual({ top, dir, layers, keep, tree })
        compared++
      },
    ),
    { numRuns: 200 },
  )
  t.ok(compared > 40, `${compared} stacks were whole`)
})

interface Squash {
  readonly top: string
  readonly dir: string
  readonly layers: readonly Buffer[]
  readonly keep: number
  readonly tree: ImageTree
}

async function squashedIsEqual({ top, dir, layers, keep, tree }: Squash): Promise<void> {
  const blobs = new Blobs(top)
  for (const tar of layers) blobs.add(tar)
  const kept = layers.slice(0, keep)
  const base = await treeOf(kept)
  const merged = await blobs.pack(diffImages(base, tree, { times: true }))
  const failed = await applied([...kept, merged], `${dir}b`)
  const differences = failed ?? compareTrees(`${dir}a`, `${dir}b`)
  if (failed !== undefined || differences.length > 0) throw new Error(String(differences))
  spawnSync('rm', ['-rf', `${dir}a`, `${dir}b`])
}

async function applied(layers: readonly Buffer[], dir: string): Promise<string | undefined> {
  fs.mkdirSync(dir)
  fs.chmodSync(dir, 0o755)
  try {
    for (const tar of layers) if (tar.length > 0) await applyLayer(chunked(tar), dir)
    return undefined
  } catch (error) {
    spawnSync('rm', ['-rf', dir])
    return (error as { code: string }).code
  }
}

/** Few names, so that layers meet; a layer names each path once. */
function layerItems(): fc.Arbitrary<Item[]> {
  const folder = fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 })
  // Mostly a name that no directory has: else nearly every stack contradicts itself.
  const leafName = fc.constantFrom('f', 'g', 'f', 'g', 'f', 'g', 'a')
  const place = fc.tuple(folder, leafName).map(([parents, name]) => [...parents, name].join('/'))
  const dirs = fc
    .array(fc.constantFrom('a', 'b'), { minLength: 1, maxLength: 2 })
    .map(parts => parts.join('/'))
  const any = fc.oneof(place, dirs)
  const item = fc.oneof(
    {
      weight: 3,
      arbitrary: fc.record({
        name: dirs,
        type: fc.constant('dir' as const),
        mode: fc.constantFrom(0o755, 0o700),
      }),
    },
    { weight: 4, arbitrary: fc.record({ name: place, content: fc.constantFrom('', 'x', 'yy') }) },
    { weight: 1, arbitrary: fc.tuple(place, any).map(([from, to]) => link(from, `/${to}`)) },
    { weight: 1, arbitrary: fc.tuple(place, place).map(([from, to]) => hard(from, to)) },
    { weight: 2, arbitrary: any.map(text => ({ name: text.replace(/[^/]+$/, '.wh.$&') })) },
    { weight: 1, arbitrary: dirs.map(text => ({ name: `${text}/.wh..wh..opq` })) },
  )
  const timed = fc
    .tuple(item, fc.constantFrom(1000, 2000))
    .map(([one, at]) => ({ ...one, mtime: { seconds: at, nanoseconds: 0 } }) as Item)
  return fc.uniqueArray(timed, { selector: one => one.name, minLength: 1, maxLength: 6 })
}

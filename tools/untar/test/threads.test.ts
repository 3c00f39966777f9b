import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { type AnyRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { compareTrees, need, runPipe, tempDir } from '@pipelayer/testkit'
import { Selection } from '@pipelayer/unpacking'
import t from 'tap'
import { type UntarOptions, untar } from '../src/index.js'

const needsRoot = { skip: need('root') }

/**
 * Shell scripts that make the trees of layers, lowest first. Each tree is archived with the members that `members`
 * prints.
 */
const LAYERS = [
  [
    'mkdir -p a/b c/d e f; chmod 711 a; chown 5:6 a/b; setfattr -n user.x -v 1 a',
    'echo 1 > a/b/file; echo 2 > c/d/file; ln -s c/d link; ln -s a/b/file a/sym; echo 3 > f/gone; chmod 755 .',
    'mknod dev c 1 3; members=.',
  ],
  // Links to files of lower layers, parents that only lower layers describe, and a parent that is a symlink there.
  [
    'mkdir -p a/b c/d link f; echo 4 > a/b/new; ln a/b/new a/b/other; echo 5 > link/through; : > f/.wh.gone',
    'members="a/b/new a/b/other link/through f/.wh.gone"',
  ],
  // The root as in the layer below; an opaque directory; a directory in place of a file, and a file in place of a
  // directory.
  [
    'mkdir -p c/d e/n; : > c/.wh..wh..opq; echo 6 > c/own; echo 7 > e/n/x; mkdir -p a/b/file; echo 8 > a/b/file/in',
    'members="c/.wh..wh..opq c/own e/n/x a/b/file"',
  ],
  ['mkdir -p a/b; : > a/.wh.b; echo 9 > a/z; mkdir g; members="a/.wh.b a/z g"'],
] as const

/** Hard links whose targets are in lower layers, which tar does not make across archives. */
const LINKS = `
import sys, tarfile
t = tarfile.open(sys.argv[1], 'a')
for name, target in [('up', 'a/b/file'), ('sub/sym', 'a/sym'), ('sub/dev', 'dev'), ('sub/deep', 'link/file')]:
    e = tarfile.TarInfo(name); e.type = tarfile.LNKTYPE; e.linkname = target; e.mtime = 7; t.addfile(e)
t.close()
`

/** Archives of {@link LAYERS}, each so large that it is unpacked by a thread. */
function archives(top: string): string[] {
  return LAYERS.map((lines, index) => {
    const [dir, file] = [path.join(top, `tree${index}`), path.join(top, `${index}.tar`)]
    fs.mkdirSync(dir)
    const big = `big${index}`
    const script = [
      ...lines,
      `head -c 2200000 /dev/urandom > ${big}`,
      ...(index === 0 ? ['touch -d @1600000000.5 a/b c; touch -d @1500000000 .'] : []),
      `tar --xattrs --numeric-owner --format=posix -cf "$0" $members ${index === 0 ? '' : big}`,
    ]
    execFileSync('bash', ['-euc', script.join('\n'), file], { cwd: dir })
    if (index === 1) execFileSync('python3', ['-c', LINKS, file])
    return file
  })
}

const PROGRAM = path.resolve('dist/layer-thread.cjs')

async function* none(): AsyncGenerator<AnyRecord, void, void> {}

function unpack(options: Omit<UntarOptions, 'store'>, records = none()): Promise<AnyRecord[]> {
  return collect(untar(records, { store: () => Store.open('/nowhere'), ...options }))
}

t.test('layers in overlay form several at a time are as one after the other', needsRoot, async t => {
  const top = tempDir(t, 'threads')
  const tars = archives(top)
  const [one, many] = ['one', 'many'].map(name => path.join(top, name)) as [string, string]
  await unpack({ target: one, tars, overlay: 'trusted', threadProgram: '/nowhere' })
  await unpack({ target: many, tars, overlay: 'trusted', threadProgram: PROGRAM })
  t.same(compareTrees(one, many, { except: ['.', 'lowers'] }), [])
  t.equal(fs.readFileSync(`${one}/lowers`, 'utf8'), fs.readFileSync(`${many}/lowers`, 'utf8'))
  const second = fs.readdirSync(many).find(name => name.startsWith('0002-'))
  const stat = fs.statSync(`${many}/${second}/a/b`)
  t.match(stat, { uid: 5, gid: 6, mtimeMs: 1.6e12 + 500 }, 'a parent is as in the layer below')
  t.equal(
    fs.readFileSync(`${many}/${second}/up`, 'utf8'),
    '1\n',
    'a hard link into a lower layer is copied up',
  )
  t.equal(fs.statSync(`${many}/${second}`).mtimeMs, 1.5e12, 'the root is as in the layer below')
})

t.test('when a layer fails nothing is there, and the lowest one that did is named', needsRoot, async t => {
  const top = tempDir(t, 'threads')
  const tars = archives(top)
  const cut = (index: number): string => {
    const file = path.join(top, `cut${index}.tar`)
    fs.writeFileSync(file, fs.readFileSync(tars[index] ?? '').subarray(0, 2_150_000))
    return file
  }
  const rows: [why: string, tars: string[], message: RegExp][] = [
    ['the lowest', [cut(0), ...tars.slice(1)], /cannot apply layer ".*\/cut0\.tar": .*ends inside/],
    ['one that others wait for', [tars[0] ?? '', cut(1), ...tars.slice(2)], /cut1\.tar/],
    ['the last', [...tars.slice(0, 3), cut(3)], /cut3\.tar/],
    ['two of them', [tars[0] ?? '', cut(1), cut(2), tars[3] ?? ''], /cut1\.tar/],
    ['a link to nothing', [tars[3] ?? '', tars[1] ?? ''], /1\.tar": entry "up": .*not there/],
  ]
  const target = path.join(top, 'out/rootfs')
  fs.mkdirSync(path.dirname(target))
  for (const [why, list, message] of rows) {
    await t.rejects(
      unpack({ target, tars: list, overlay: 'trusted', threadProgram: PROGRAM }),
      { message },
      why,
    )
    t.same(fs.readdirSync(path.dirname(target)), [], `${why}: nothing is left`)
  }
})

t.test('a layer fails while the next record is long in coming', needsRoot, async t => {
  const top = tempDir(t, 'threads')
  const [file = ''] = archives(top)
  const record = { type: 'layer', image: '1', path: file, digest: digestOf('other') }
  async function* stalled(): AsyncGenerator<AnyRecord, void, void> {
    yield record
    await new Promise(() => undefined)
  }
  const target = path.join(top, 'rootfs')
  await t.rejects(unpack({ target, overlay: 'trusted', threadProgram: PROGRAM }, stalled()), {
    code: 'DIGEST_MISMATCH',
  } as unknown as Error)
  t.notOk(fs.existsSync(target))
})

t.test('whoever stops while layers wait for one another waits for nothing', needsRoot, async t => {
  const top = tempDir(t, 'threads')
  const tars = archives(top)
  const aborter = new AbortController()
  const record = (file: string): AnyRecord => {
    const bytes = fs.readFileSync(file)
    return { type: 'layer', image: '1', path: file, digest: digestOf(bytes), size: bytes.length }
  }
  async function* stopping(): AsyncGenerator<AnyRecord, void, void> {
    for (const file of tars) yield record(file)
    aborter.abort(new Error('stopped'))
  }
  const target = path.join(top, 'out/rootfs')
  fs.mkdirSync(path.dirname(target))
  const { signal } = aborter
  await t.rejects(
    unpack({ target, overlay: 'trusted', threadProgram: PROGRAM, signal }, stopping()),
    /stopped/,
  )
  t.same(fs.readdirSync(path.dirname(target)), [])
})

t.test('small files are written by the thread that reads', needsRoot, async t => {
  const top = tempDir(t, 'threads')
  // Modes, owners and xattrs that have to be set before or after the content; sparse, empty and large files.
  const script = [
    'mkdir -p t/{1..40}; for d in t/*; do for f in {1..30}; do head -c $((f * 211)) /dev/urandom > $d/$f; done; done',
    'chmod 4755 t/1/1; chmod 400 t/1/2; chown 7:8 t/1/3; chmod 6711 t/1/3; chmod 0 t/1/4; : > t/1/empty',
    'setfattr -n user.a -v b t/1/5; setcap cap_net_raw+ep t/1/6 2>/dev/null || true; chmod 2777 t/2; chown :9 t/2',
    'truncate -s 1M t/3/hole; printf x >> t/3/hole; head -c 700000 /dev/urandom > t/3/large; ln t/1/7 t/4/link',
    "tar --xattrs --xattrs-include='*' -S -cf t.tar t; cp t.tar twice.tar; tar -rf twice.tar t/40/30",
    'cp t.tar other.tar; echo x > t/40/30; tar -rf other.tar t/40/30; gzip -1k t.tar; zstd -q1k t.tar',
  ]
  execFileSync('bash', ['-euc', script.join('\n')], { cwd: top })
  const here = path.join(top, 'here')
  await unpack({ target: here, tars: [path.join(top, 't.tar')], threadProgram: '/nowhere' })
  for (const name of ['t.tar', 't.tar.gz', 't.tar.zst', 'twice.tar']) {
    const target = path.join(top, `of-${name}`)
    await unpack({ target, tars: [path.join(top, name)], threadProgram: PROGRAM })
    t.same(compareTrees(here, target), [], name)
  }
  const other = unpack({
    target: path.join(top, 'no'),
    tars: [path.join(top, 'other.tar')],
    threadProgram: PROGRAM,
  })
  await t.rejects(
    other,
    { code: 'DUPLICATE_ENTRY' } as unknown as Error,
    'the first is read while it is written',
  )
  const { status, stderr } = await runPipe(
    'unshare -m sh -c "mkdir full; mount -t tmpfs -o size=2M tmpfs full; untar --tar t.tar full; s=\\$?; ls -A full; exit \\$s"',
    { cwd: top },
  )
  t.equal(status, 75)
  t.match(stderr, /unpack entry "t\/\d+\/\w+": .*ENOSPC/, 'a full disk, and where')
})

t.test(
  'limits hold in threads too, and a selection makes layers wait for one another',
  needsRoot,
  async t => {
    const top = tempDir(t, 'threads')
    const script = [
      'mkdir -p d/e s; head -c 2200000 /dev/urandom > d/random; truncate -s 60M d/zeros; echo 1 > d/e/x; chmod 711 d',
      'tar -czf big.tgz d; mkdir -p u/d/e; echo 2 > u/d/e/y; tar -C u -cf up.tar d/e/y',
    ]
    execFileSync('bash', ['-euc', script.join('\n')], { cwd: top })
    const [big, up] = ['big.tgz', 'up.tar'].map(name => path.join(top, name)) as [string, string]
    const rows: [why: string, options: Partial<UntarOptions>, code: string][] = [
      ['bytes', { limits: { maxBytes: 5e6 } }, 'DECOMPRESSION_LIMIT'],
      ['ratio', { limits: { maxRatio: 10, ratioFromBytes: 1 << 20 } }, 'DECOMPRESSION_LIMIT'],
      ['entries', { maxEntries: 3 }, 'TOO_MANY_ENTRIES'],
      ['ids', { idMap: { uid: [[5, 5, 1]], gid: [[0, 0, 1]] } }, 'ID_UNMAPPED'],
    ]
    const target = path.join(top, 'out')
    for (const [why, options, code] of rows)
      for (const form of [{}, { overlay: 'trusted' }] as const) {
        const tars = form.overlay === undefined ? [big] : [up, big]
        const unpacked = unpack({ target, tars, threadProgram: PROGRAM, ...options, ...form })
        await t.rejects(unpacked, { code } as unknown as Error, `${why} ${form.overlay ?? 'plain'}`)
        t.notOk(fs.existsSync(target), why)
      }
    const selection = new Selection({ globs: ['d/e/*'], strip: 1 })
    await unpack({ target, tars: [big, up], threadProgram: PROGRAM, overlay: 'trusted', selection })
    const [first, second] = fs.readdirSync(target)
    t.same(fs.readdirSync(`${target}/${first}`, { recursive: true }).map(String).sort(), ['e', 'e/x'])
    t.same(fs.readdirSync(`${target}/${second}`, { recursive: true }).map(String).sort(), ['e', 'e/y'])
  },
)

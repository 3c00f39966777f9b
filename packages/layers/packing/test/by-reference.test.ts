// Tests of listed layers that are edited and packed again by reference.
import fs from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { digestOf } from '@pipelayer/digest'
import type { ChangeRecord, EntryFields } from '@pipelayer/records'
import { compareTrees, handmade, need, shell, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { Blobs, changesOf, tarOf } from './kit.js'

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

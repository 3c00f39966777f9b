import t from 'tap'
import { type FileFramer, frameFiles, readTar } from '../src/index.js'

async function* each(chunks: readonly (Buffer | Error)[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) {
    if (chunk instanceof Error) throw chunk
    yield chunk
  }
}

async function collected(framer: FileFramer): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of framer.bytes) chunks.push(chunk)
  return Buffer.concat(chunks)
}

t.test('files, framed', async t => {
  const framer = await frameFiles()
  const read = collected(framer)
  const big = Buffer.alloc(3_000_000, 'big')
  await framer.add({ name: 'empty', size: 0 }, each([]))
  await Promise.all([
    framer.add({ name: 'a/b', size: 4 }, each([Buffer.from('te'), Buffer.from('xt')])),
    framer.add({ name: 'big', size: big.length }, each([big])),
  ])
  framer.end()
  const found: unknown[] = []
  for await (const event of readTar(each([await read])))
    if (event.type === 'entry') {
      const { name, size, mode, uid, gid, mtime } = event.entry
      found.push([name, size, mode, uid, gid, mtime.seconds])
    }
  t.same(found, [
    ['empty', 0, 0o644, 0, 0, 0],
    ['a/b', 4, 0o644, 0, 0, 0],
    ['big', big.length, 0o644, 0, 0, 0],
  ])
})

t.test('archives that break off', async t => {
  for (const [source, why] of [
    [[Buffer.from('te'), new Error('no more')], 'a source that fails'],
    [[Buffer.from('te')], 'a source that is too short'],
    [[Buffer.from('text'), Buffer.from('s')], 'one that is too long'],
  ] as const) {
    const framer = await frameFiles()
    const read = collected(framer)
    await t.rejects(framer.add({ name: 'a', size: 4 }, each(source)), Error, why)
    await t.rejects(read, Error, `${why}: the reader learns it`)
  }
  const framer = await frameFiles()
  const leave = (async (): Promise<void> => {
    for await (const _ of framer.bytes) throw new Error('the disk is full')
  })()
  const source = Array.from({ length: 100 }, () => Buffer.alloc(100_000))
  await t.rejects(framer.add({ name: 'a', size: 10_000_000 }, each(source)), Error, 'a reader that leaves')
  await t.rejects(leave, { message: 'the disk is full' })
  await t.rejects(framer.add({ name: 'b', size: 0 }, each([])), Error, 'nothing is added after that')
})

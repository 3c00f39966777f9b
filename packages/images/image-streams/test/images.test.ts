import path from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { Layout } from '@pipelayer/layout'
import { nameIndexOf } from '@pipelayer/places'
import type { AnyRecord } from '@pipelayer/records'
import { RecordWriter, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type Closing, named, sideBySide, Uploads } from '../src/index.js'

t.test('names that are written last', async t => {
  const written: string[] = []
  const index = {
    id: 'archive',
    isLast: true,
    write: async (entries: readonly object[]) => void written.push(`${entries.length} names`),
  }
  const descriptor = { mediaType: 'a/b', digest: 'sha256:x', size: 1 }
  const closing = async function* (error?: Error): AsyncGenerator<Closing> {
    yield { record: { type: 'note' } }
    for (const type of ['one', 'two']) {
      yield { record: { type }, name: { index, entry: { descriptor } } }
      yield { record: { type: 'between' } }
    }
    if (error !== undefined) throw error
  }
  const seen: string[] = []
  for await (const { type } of named(closing())) seen.push(`${type} ${written.length}`)
  t.same(seen, ['note 0', 'one 1', 'between 1', 'two 1', 'between 1'], 'roots come when all is written')
  t.same(written.splice(0), ['2 names'], 'at once')
  await t.rejects(all(named(closing(new Error('cut')))), { message: 'cut' })
  t.same(written, [], 'and never if the source fails')
})

t.test('side by side, in order', async t => {
  const most: number[] = []
  let running = 0
  const work = async function* (item: number): AsyncGenerator<string> {
    most.push(++running)
    // The later an item comes, the sooner it is done.
    for (let turn = 0; turn < 20 - item; turn++) await setImmediate()
    yield `${item}a`
    yield `${item}b`
    running--
  }
  const items = [0, 1, 2, 3, 4, 5, 6]
  t.same(
    await all(sideBySide(each(items), { count: 3 }, work)),
    items.flatMap(item => [`${item}a`, `${item}b`]),
  )
  t.equal(Math.max(...most), 3, 'three at a time')
  t.same(await all(sideBySide(each([]), { count: 3 }, work)), [], 'nothing')
  t.same(
    await all(sideBySide(each([1, 2]), { count: 1 }, work)),
    ['1a', '1b', '2a', '2b'],
    'one after the other',
  )
})

t.test('side by side: what fails, and who leaves', async t => {
  const seen: string[] = []
  let stopped = 0
  const work = async function* (item: number, signal: AbortSignal): AsyncGenerator<string> {
    signal.addEventListener('abort', () => stopped++)
    yield `${item}`
    if (item === 2) throw new Error('two')
    for (let count = 0; item === 3 && count < 1000; count++) yield 'many'
  }
  await t.rejects(
    (async () => {
      for await (const one of sideBySide(each([1, 2, 3, 4]), { count: 4 }, work)) seen.push(one)
    })(),
    /two/,
  )
  t.same([seen, stopped], [['1', '2'], 1], 'told in its turn; what still runs is stopped')

  for await (const _ of sideBySide(each([3, 3, 3]), { count: 2 }, work)) break
  t.equal(stopped, 3, 'the reader leaves')

  const broken = async function* (): AsyncGenerator<number> {
    yield 1
    throw new Error('input')
  }
  const out = all(sideBySide(broken(), { count: 2 }, work))
  await t.rejects(out, /input/, 'the input breaks')
})

t.test('names are written together when they come fast', async t => {
  const layout = Layout.open(path.join(tempDir(t, 'naming'), 'layout'), { create: true })
  let writes = 0
  const tagAll = layout.tagAll.bind(layout)
  layout.tagAll = entries => {
    writes++
    tagAll(entries)
  }
  const images = 500
  const closing = async function* (): AsyncGenerator<Closing> {
    for (let count = 1; count <= images; count++) {
      yield { record: { type: 'layer', image: `${count}` } }
      const { digest, size } = layout.putBytes(Buffer.from('manifest'))
      const descriptor = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size }
      yield {
        record: { type: 'manifest', count },
        name: { index: nameIndexOf(layout), entry: { descriptor, name: `app:${count}` } },
      }
    }
  }
  const out: AnyRecord[] = []
  // Each reading of the clock takes a millisecond. So each write takes one as well, and the next write is due 20
  // readings later.
  let clock = 0
  for await (const record of named(closing(), () => clock++)) {
    out.push(record)
    const { count } = record
    if (typeof count === 'number' && count % 50 === 0)
      t.equal(layout.resolve(`app:${count}`).length, 1, 'a root comes out once it is named')
  }
  t.same(
    out.map(({ image, count }) => image ?? count),
    Array.from({ length: images }, (_, index) => [`${index + 1}`, index + 1]).flat(),
    'all of it, in order',
  )
  t.ok(writes < images / 5, `${writes} writes for ${images} names`)
})

t.test('names that come slowly are written at once, and at the end', async t => {
  const dir = tempDir(t, 'naming')
  const layout = Layout.open(path.join(dir, 'layout'), { create: true })
  const [root] = new RecordWriter(dir).image('1', ['x']).slice(-1)
  const { mediaType, digest, size } = root as AnyRecord
  const descriptor = { mediaType: String(mediaType), digest: String(digest), size: Number(size) }
  const closing = (name: string): Closing => {
    return {
      record: { type: 'manifest', name },
      name: { index: nameIndexOf(layout), entry: { descriptor, name } },
    }
  }
  const slow = async function* (): AsyncGenerator<Closing> {
    yield closing('a')
    yield closing('b')
    throw new Error('broke')
  }
  const seen: unknown[] = []
  await t.rejects(
    (async () => {
      for await (const { name } of named(slow())) seen.push(name)
    })(),
    /broke/,
  )
  t.same(seen, ['a', 'b'], 'what was complete when the source failed')
  t.same([layout.resolve('a').length, layout.resolve('b').length], [1, 1])
})

t.test('a blob of several images is put once', async t => {
  const uploads = new Uploads()
  const log: string[] = []
  const put = (place: string | undefined, fails = false): Promise<void> =>
    uploads.put('sha256:x', place, async from => {
      log.push(`${place} from ${from}`)
      await setImmediate()
      if (fails) throw new Error('broke')
    })
  const first = put('a', true)
  const others = Promise.all([put('a'), put('a'), put('b'), put(undefined)])
  await t.rejects(first, /broke/, 'a failure is told to the one who put')
  await others
  t.same(
    log,
    ['a from undefined', 'a from undefined', 'b from a', 'undefined from b'],
    'the next one tries, the third need not, another place takes it from there, a staged one brings its own',
  )
  t.equal(uploads.placeOf('sha256:x'), 'b')
})

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { blobHave } from '../src/index.js'

const HEX = 'a'.repeat(64)

t.test('what a store has', async t => {
  const root = path.join(tempDir(t, 'have'), 'store')
  t.same(await collect(blobHave(root)), [], 'one that is not there has nothing, and is not made')
  const store = Store.open(root)
  const [first, second] = [store.putBytes(Buffer.from('one')), store.putBytes(Buffer.from('two!'))]
  const whole = [first, second]
    .map(({ digest, size }) => ({ type: 'have', digest, size }))
    .sort((a, b) => (a.digest < b.digest ? -1 : 1))
  t.same(await collect(blobHave(root)), whole, 'whole blobs, in byte order')

  writeFileSync(path.join(root, 'blobs/sha256/README'), 'no digest')
  mkdirSync(path.join(root, `blobs/sha256/${'b'.repeat(64)}`))
  mkdirSync(path.join(root, 'blobs/.partial'))
  writeFileSync(path.join(root, 'blobs/.partial', HEX), 'half')
  t.same(
    await collect(blobHave(root)),
    whole,
    'no folder, no file of another name, nothing of a write in progress',
  )

  mkdirSync(path.join(root, 'partial'))
  appendFileSync(path.join(root, 'partial', `sha256-${HEX}`), 'the first bytes')
  writeFileSync(path.join(root, 'partial', `sha256-${'c'.repeat(64)}`), '')
  const partial = { type: 'have', digest: `sha256:${HEX}`, size: 15, partial: true }
  t.same(await collect(blobHave(root)), [...whole, partial], 'what broke, as far as it came')
})

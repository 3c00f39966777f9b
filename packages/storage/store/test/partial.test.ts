import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import t from 'tap'
import { Store } from '../src/index.js'

const HELLO = Buffer.from('hello\n')
// printf 'hello\n' | sha256sum
const HELLO_DIGEST = 'sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03'

t.test('resumeProven(): a whole blob waits until it is wanted', async t => {
  const store = Store.open(t.testdir())
  const bytes = Buffer.from('a blob of an archive')
  const digest: `sha256:${string}` = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
  const expected = { digest, size: bytes.length }
  const wait = async () => {
    const writer = await store.resumeBlob(expected)
    writer?.write(bytes)
    return writer?.suspendProven() ?? assert.fail('there is a blob')
  }
  const dropped = await wait()
  t.notOk(store.hasBlob(digest), 'nobody sees it while it waits')
  ;(await store.resumeProven(dropped))?.abort()
  t.notOk(fs.existsSync(dropped.temporary), 'nothing is left of one that is not wanted')
  const torn = await wait()
  fs.writeFileSync(torn.temporary, 'A blob of an archive')
  const spoiled = await store.resumeProven(torn)
  t.throws(
    () => spoiled?.commit(),
    { code: 'DIGEST_MISMATCH' },
    'one that was changed meanwhile is read again',
  )
  const removed = await wait()
  fs.rmSync(removed.temporary)
  const gone = await store.resumeProven(removed)
  t.throws(() => gone?.commit(), { code: 'SIZE_MISMATCH' }, 'one that another process has removed is missed')
  const wanted = await wait()
  ;(await store.resumeProven(wanted))?.commit()
  t.ok(store.hasBlob(digest, bytes.length))
  t.same(store.readBlob(digest), bytes)
  t.equal(await store.resumeProven(wanted), undefined, 'it is published once')
  const bad = await store.resumeBlob({ digest: `sha256:${'0'.repeat(64)}`, size: 1 })
  bad?.write(Buffer.from('y'))
  t.throws(() => bad?.suspendProven(), { code: 'DIGEST_MISMATCH' })
})

t.test('resumeBlob(): what a broken try wrote is there for the next', async t => {
  const store = Store.open(`${t.testdir()}/store`)
  const expected = { digest: HELLO_DIGEST, size: 6 }
  const partial = `${store.root}/partial/${HELLO_DIGEST.replace(':', '-')}`
  const take = async () => {
    const writer = await store.resumeBlob(expected)
    if (writer === undefined) throw new Error('the blob is there')
    return writer
  }
  const first = await take()
  first.write(HELLO.subarray(0, 2))
  const waiting = store.resumeBlob(expected)
  const aborter = new AbortController()
  const tired = store.resumeBlob(expected, aborter.signal)
  aborter.abort()
  await t.rejects(tired, 'waiting ends with the signal')
  first.suspend()
  const second = await waiting
  t.equal(second?.bytes, 2, 'a second try waits for the first and goes on after it')
  t.equal(fs.statSync(partial).mode & 0o777, 0o600)
  second?.write(HELLO.subarray(2, 4))
  second?.suspend()
  const third = await take()
  third.write(HELLO.subarray(4))
  const late = store.resumeBlob(expected)
  third.commit()
  t.equal(await late, undefined, 'who comes late finds the blob')
  t.same(fs.readFileSync(store.blobPath(HELLO_DIGEST)), HELLO)
  t.notOk(fs.existsSync(partial), 'and nothing is left')
  fs.rmSync(store.blobPath(HELLO_DIGEST))
  fs.writeFileSync(partial, 'jello\n')
  const torn = await take()
  t.equal(torn.bytes, 6)
  t.throws(() => torn.commit(), { code: 'DIGEST_MISMATCH' }, 'a file that was damaged is not believed')
  t.notOk(fs.existsSync(partial), 'and goes')
  fs.writeFileSync(partial, 'longer than it may be')
  const long = await take()
  t.equal(long.bytes, 0, 'one that is too long is not begun with')
  long.abort()
  fs.symlinkSync('/etc/passwd', partial)
  await t.rejects(take(), { code: 'ELOOP' }, 'a link is not followed')
})

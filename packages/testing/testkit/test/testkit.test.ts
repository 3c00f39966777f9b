import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import {
  compareTrees,
  isAlive,
  mountTable,
  need,
  runPipe,
  startPipe,
  tempDir,
  waitUntil,
} from '../src/index.js'

t.test('a pipe reports every status, both outputs and its records', async t => {
  const rows = [
    { command: 'true', statuses: [0], why: 'one process' },
    { command: '(exit 3) | (exit 4)', statuses: [3, 4], why: 'each process has its own' },
    {
      command: 'sh -c "kill -9 \\$\\$" | cat',
      statuses: [137, 0],
      why: 'a signal counts 128 and its number',
    },
  ]
  for (const { command, statuses, why } of rows) t.same((await runPipe(command)).statuses, statuses, why)
  const result = await runPipe('cat; echo warning >&2', { input: '{"type":"a"}\n{"type":"b"}\n' })
  t.same(result.records(), [{ type: 'a' }, { type: 'b' }])
  t.equal(result.stderr, 'warning\n')
})

t.test('a pipe that hangs is killed and says so', async t => {
  const { timedOut } = await runPipe('cat', { input: 'open', timeoutMs: 200 })
  t.ok(timedOut)
})

t.test('a pipe in the background can be watched', async t => {
  const pipe = startPipe('cat', { input: 'open' })
  t.ok(isAlive(pipe.pid))
  pipe.child.stdin?.end()
  await pipe.done
  await waitUntil('the shell is gone', () => !isAlive(pipe.pid))
})

t.test('need names what is missing', async t => {
  const { CI } = process.env
  t.teardown(() => {
    if (CI === undefined) delete process.env.CI
    else process.env.CI = CI
  })
  delete process.env.CI
  t.equal(need('sh'), false)
  t.match(need('sh', 'no-such-program'), /needs no-such-program/)
  process.env.CI = 'true'
  t.throws(() => need('no-such-program'), /in CI this test must run/, 'CI never skips')
})

t.test('trees are compared in every respect', async t => {
  const rows: readonly { change: (dir: string) => void; found: RegExp; why: string }[] = [
    { change: d => fs.writeFileSync(`${d}/f`, 'other'), found: /^f: .*5 bytes/, why: 'content' },
    { change: d => fs.chmodSync(`${d}/f`, 0o600), found: /^f: 100644 .* \| 100600/, why: 'mode' },
    { change: d => fs.utimesSync(`${d}/f`, 1, 1), found: /at 1000 .*\| .*at 1 /, why: 'time' },
    { change: d => fs.symlinkSync('x', `${d}/new`), found: /^new: absent \| .*-> x/, why: 'a path more' },
    { change: d => fs.rmSync(`${d}/f`), found: /^f: .* \| absent/, why: 'a path less' },
    { change: d => swapLink(d), found: /-> one .*\| .*-> two/, why: 'the text of a symlink' },
    { change: d => fs.linkSync(`${d}/f`, `${d}/g`), found: /= f/, why: 'one inode or two' },
  ]
  for (const { change, found, why } of rows) {
    const dir = tempDir(t)
    for (const side of ['a', 'b']) plant(path.join(dir, side))
    t.same(compareTrees(`${dir}/a`, `${dir}/b`), [], 'equal at first')
    change(`${dir}/b`)
    settle(`${dir}/b`)
    t.match(compareTrees(`${dir}/a`, `${dir}/b`).join('\n'), found, why)
  }
})

t.test('the mount table has the root', async t => {
  t.ok(mountTable().includes('/'))
})

function plant(dir: string): void {
  fs.mkdirSync(dir, { mode: 0o755 })
  fs.writeFileSync(`${dir}/f`, 'text', { mode: 0o644 })
  fs.utimesSync(`${dir}/f`, 1000, 1000)
  fs.symlinkSync('one', `${dir}/link`)
  fs.lutimesSync(`${dir}/link`, 1000, 1000)
  settle(dir)
}

function settle(dir: string): void {
  fs.utimesSync(dir, 1000, 1000)
}

function swapLink(dir: string): void {
  fs.rmSync(`${dir}/link`)
  fs.symlinkSync('two', `${dir}/link`)
  fs.lutimesSync(`${dir}/link`, 1000, 1000)
}

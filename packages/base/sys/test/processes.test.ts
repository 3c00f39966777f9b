// Processes and mounts of the system, and what names say of them.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import * as sys from '@pipelayer/sys'
import t from 'tap'

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'sys-processes-'))
t.teardown(() => fs.rmSync(dir, { recursive: true, force: true }))
const at = (name: string): string => path.join(dir, name)
const isRoot = process.getuid?.() === 0
const needsRoot = isRoot || process.env.CI === 'true' ? {} : { skip: 'needs root' }

t.test('the mount table, and who uses what', needsRoot, async t => {
  const target = at('a b\\c\nd\u00e4')
  fs.mkdirSync(target)
  sys.mount('none', target, 'tmpfs', { data: 'size=1m' })
  const row = sys.mountTable().findLast(each => each.target === target)
  t.match(row, { type: 'tmpfs', device: /^\d+:\d+$/, options: /^rw.*size=1024k/ })
  t.same(sys.mountTable(2 ** 30), [], 'of a process that is gone')
  fs.writeFileSync(path.join(target, 'f'), '')
  const fd = fs.openSync(path.join(target, 'f'), 'r')
  const place = { id: row?.id ?? 0, device: row?.device ?? '' }
  const users = [
    spawn('sleep', ['100'], { cwd: target }),
    spawn('sleep', ['100'], { stdio: [fd, 'ignore', 'ignore'] }),
    spawn('sleep', ['100']),
  ]
  t.teardown(() => users.forEach(each => void each.kill('SIGKILL')))
  await Promise.all(users.map(each => once(each, 'spawn')))
  const [inside = 0, reading = 0, other = 0] = users.map(({ pid }) => pid ?? 0)
  t.same(
    [inside, reading, other].map(pid => sys.usesMount(pid, place)),
    [true, true, false],
  )
  t.same(
    [inside, reading].map(pid => sys.hasOpen(pid, path.join(target, 'f'))),
    [false, true],
  )
  t.same(
    sys.namedProcesses(pid => pid === inside || pid === process.pid),
    [`sleep (pid ${inside})`],
    'this process is never named',
  )
  const all = sys.namedProcesses(() => true)
  t.match([all.length, all.at(-1)], [6, /^and \d+ more$/])
  t.ok(sys.otherProcesses().includes(reading))
  for (const each of users) each.kill('SIGKILL')
  await Promise.all(users.map(each => once(each, 'exit')))
  fs.closeSync(fd)
  sys.umount2(target, sys.UMOUNT_NOFOLLOW)
})

t.test('temporary names tell whether their owner is gone', async t => {
  const mine = sys.ownedName('.x', 'r1')
  const fields = mine.split('.')
  const with_ = (index: number, value: string): string =>
    fields.map((field, i) => (i === index ? value : field)).join('.')
  const rows: [string, string, boolean][] = [
    ['our own', mine, false],
    ['the same pid, started at another time', with_(4, '1'), true],
    ['a pid that is not', with_(3, '99999999'), true],
    ['another boot or pid namespace: nothing is proved', with_(2, '00000000-1'), false],
    ['no name of ours', '.x.y', false],
  ]
  for (const [why, name, want] of rows) t.equal(sys.isOrphan(name), want, why)
})

t.test('a process that has ended owns nothing, also while its parent has not asked about it', async t => {
  // The shell never waits for the child that it leaves behind when it becomes another program.
  const script = 'sh -c : & echo $!; exec sleep 60'
  const parent = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => parent.kill('SIGKILL'))
  const [line] = await once(parent.stdout, 'data')
  const pid = String(line).trim()
  const fields = (): string[] => {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  }
  while (fields()[0] !== 'Z') await new Promise(resolve => setImmediate(resolve))
  const [prefix, realm] = sys.ownedName('x', 'r').split('.')
  t.equal(sys.isOrphan(`${prefix}.${realm}.${pid}.${fields()[19]}.r`), true)
})

// Which messages a step may send to an agent.
import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { need, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { serveAgent } from '../src/ssh-agent.js'

t.test('what a step may ask an agent', { skip: need('ssh-agent', 'ssh-add', 'ssh-keygen') }, async t => {
  const dir = tempDir(t, 'agent')
  const [own, key] = [path.join(dir, 'own'), path.join(dir, 'key')]
  const agent = spawn('ssh-agent', ['-D', '-a', own], { stdio: 'ignore' })
  t.teardown(() => void agent.kill())
  await waitUntil('the agent listens', () => fs.existsSync(own))
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key])
  // The path is longer than that of a socket may be.
  const file = path.join(dir, 'd'.repeat(120), 'socket')
  fs.mkdirSync(path.dirname(file))
  const close = await serveAgent(own, { file, mode: 0o640, uid: 0, gid: 0 })
  t.equal(fs.statSync(file).mode & 0o777, 0o640)
  const short = path.join(dir, 'short')
  fs.symlinkSync(file, short)
  const ask = async (socket: string, ...args: string[]): Promise<number | null> => {
    const env = { ...process.env, SSH_AUTH_SOCK: socket }
    const child = spawn(args[0] ?? '', args.slice(1), { env, stdio: 'ignore' })
    return await new Promise(resolve => child.on('close', resolve))
  }
  const sign = ['ssh-keygen', '-Y', 'sign', '-n', 'x', '-f', `${key}.pub`, key]
  const rows: readonly [args: readonly string[], isAllowed: boolean, why: string][] = [
    [['ssh-add', key], false, 'add a key'],
    [['ssh-add', '-l'], true, 'list them'],
    [sign, true, 'sign'],
    [['ssh-add', '-D'], false, 'forget them'],
    [['ssh-add', '-l'], true, 'they are there still'],
  ]
  await ask(own, 'ssh-add', key)
  for (const [args, isAllowed, why] of rows) t.equal((await ask(short, ...args)) === 0, isAllowed, why)
  close()
  t.notOk(fs.existsSync(file))
})

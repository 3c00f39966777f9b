// Keys given by --ssh, and the agent that holds them.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { need, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { startKeyAgent } from '../../../packages/execution/executor/src/ssh-keys.js'
import { parseSsh } from '../src/ssh-option.js'

/** The message that asks for the list of keys: its length and its type. */
const LIST = Buffer.from([0, 0, 0, 1, 11])
const env = { PATH: process.env.PATH ?? '' }

async function keysIn(socket: string): Promise<number> {
  const agent = net.connect(socket)
  agent.write(LIST)
  const closed = once(agent, 'close').then(() => Promise.reject(new Error('no answer')))
  const [answer] = (await Promise.race([once(agent, 'data'), closed])) as [Buffer]
  closed.catch(() => {})
  agent.destroy()
  return answer.readUInt32BE(5)
}

t.test('an agent for keys', { skip: need('ssh-agent', 'ssh-add', 'ssh-keygen') }, async t => {
  const dir = tempDir(t, 'ssh')
  const memory = path.join(dir, 'a folder whose name is far too long for a socket '.repeat(4))
  fs.mkdirSync(memory)
  const key = (name: string, type: string, ...more: string[]): string => {
    const file = path.join(dir, name)
    execFileSync('ssh-keygen', ['-q', '-t', type, '-f', file, '-N', '', ...more])
    return file
  }
  const keys = [key('a', 'ed25519'), key('b', 'ecdsa'), key('c', 'rsa', '-m', 'PEM', '-b', '2048')]
  fs.chmodSync(keys[0] ?? '', 0o666)
  for (const count of [1, 3]) {
    const agent = await startKeyAgent({ memory, env }, keys.slice(0, count))
    t.equal(await keysIn(agent.socket), count, `${count} keys, whatever the permissions of their files`)
    agent.close()
    await t.rejects(keysIn(agent.socket), 'it ends with the step')
    t.same(fs.readdirSync(memory), [], 'and leaves nothing')
  }
  const locked = path.join(dir, 'locked')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-f', locked, '-N', 'secret'])
  const broken = path.join(dir, 'broken')
  fs.writeFileSync(broken, '-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n')
  for (const file of [locked, broken])
    await t.rejects(startKeyAgent({ memory, env }, [keys[0] ?? '', file]), {
      code: 'SSH_KEY_INVALID',
      status: 1,
    })
  await t.rejects(startKeyAgent({ memory, env }, [path.join(dir, 'gone')]), { code: 'ENOENT' })
  t.same(fs.readdirSync(memory), [], 'a failure leaves nothing')

  t.same(parseSsh(`x=${keys.join(',')}`, {}), ['x', { keys }])
  for (const text of ['', '=a', 'default', `x=${dir}`, `x=${keys[0]}.pub`, `x=${keys[0]},`])
    t.throws(() => parseSsh(text, {}), { code: 'OPTION_INVALID', status: 2 }, text)
})

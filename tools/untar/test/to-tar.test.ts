// The program with --to-tar: a flat tar in place of a tree.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { childrenOf, need, runPipe, startPipe, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { imageIn } from './kit.js'

const needsRoot = { skip: need('root') }

t.test('--to-tar', needsRoot, async t => {
  const top = tempDir(t, 'untar')
  const { store, layers, config, manifest } = imageIn(top)
  const lines = [...layers, config, manifest].map(record => JSON.stringify(record)).join('\n')
  const env = { PIPELAYER_STORE: store.root, TMPDIR: top }
  const run = (input: string, command: string): ReturnType<typeof runPipe> =>
    runPipe(command, { cwd: top, env, input })
  const end = '{"type":"end","tool":"t","records":4,"failed":0}\n'
  const whole = await run(`${lines}\n${end}`, 'untar --to-tar > flat.tar')
  t.equal(whole.status, 0, whole.stderr)
  const names = execFileSync('tar', ['-tf', path.join(top, 'flat.tar')], { encoding: 'utf8' })
  t.equal(names, 'd/\nd/b\nd/c\n', 'whiteouts applied, sorted')
  const cut = await run(`${lines}\n`, 'untar --to-tar > cut.tar')
  t.equal(cut.status, 1)
  t.equal(fs.statSync(path.join(top, 'cut.tar')).size, 0, 'nothing of an image that is not whole')
  t.same(
    fs.readdirSync(top).filter(name => /^untar[-.]/.test(name)),
    [],
    'nothing is left',
  )
  const held = startPipe('untar --to-tar > held.tar', { cwd: top, env, input: 'open' })
  held.child.stdin?.write(`${lines}\n`)
  const folders = (): string[] => fs.readdirSync(top).filter(name => name.startsWith('untar.'))
  await waitUntil('it unpacks', () => folders().length > 0, 60_000)
  await run(`${lines}\n${end}`, 'untar --to-tar > flat.tar')
  t.equal(folders().length, 1, 'the folder of one that runs stays')
  for (const pid of childrenOf(held.pid)) process.kill(pid, 'SIGKILL')
  await held.done
  t.equal(folders().length, 1, 'one that was killed leaves its folder')
  fs.symlinkSync(path.join(top, 'store'), path.join(top, `${folders()[0]}0`))
  await run(`${lines}\n${end}`, 'untar --to-tar > flat.tar')
  t.same(folders().length, 1, 'the next one sweeps it, and no symlink of such a name')
  t.ok(fs.existsSync(path.join(top, 'store/index.json')), 'nor what that leads to')
  for (const words of [
    '--to-tar out',
    '--to-tar --overlay',
    '',
    '--strip -1 out',
    '--subset .. out',
    '--uid-map 1:2 out',
  ])
    t.equal((await run('', `untar --tar x ${words}`)).status, 2, words)
})

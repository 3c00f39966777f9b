import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import path from 'node:path'
import { type AnyRecord, collect } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { need, readTree, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { untar } from '../src/index.js'

const needsRoot = { skip: need('root') }

async function* none(): AsyncGenerator<AnyRecord, void, void> {}

/** Replaces the directories 0 to 63 of argv[2] by symlinks to argv[1], as soon as they exist. */
const WRITER = `
import os, sys
canary, into = sys.argv[1:]
print('ready', flush=True)
while True:
    for n in range(64):
        path = f'{into}/{n}'
        try:
            if not os.path.islink(path):
                os.rename(path, f'{path}-was-{os.urandom(4).hex()}')
                os.symlink(canary, path)
        except OSError: pass
`

t.test('a live writer leads nothing outside', needsRoot, async t => {
  const top = tempDir(t, 'untar')
  const [into, canary, tar] = ['into', 'canary', 't.tar'].map(name => path.join(top, name)) as [
    string,
    string,
    string,
  ]
  for (const dir of [into, canary]) fs.mkdirSync(dir)
  fs.writeFileSync(path.join(canary, 'f'), 'own')
  fs.chmodSync(canary, 0o700)
  const script =
    'for n in {0..63}; do mkdir $n; chmod 777 $n; chown 9:9 $n; echo evil > $n/f; done; tar -cf "$0" *'
  fs.mkdirSync(path.join(top, 'src'))
  execFileSync('bash', ['-euc', script, tar], { cwd: path.join(top, 'src') })
  const before = readTree(canary)
  const writer = spawn('python3', ['-c', WRITER, canary, into], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => writer.kill('SIGKILL'))
  await once(writer.stdout, 'data')
  for (let round = 0; round < 40; round++) {
    const options = { target: into, tars: [tar], into: true, store: () => Store.open('/nowhere') }
    // The unpacking may fail or not, as long as nothing is written elsewhere.
    await collect(untar(none(), options)).catch(() => {})
    if (fs.statSync(canary).mode !== 0o40700) break
  }
  writer.kill('SIGKILL')
  t.same(readTree(canary), before)
})

import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { readConfig } from '../src/credentials.js'

t.test('a file of credentials that has no end', async t => {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'credentials-'))
  t.teardown(() => fs.rmSync(dir, { recursive: true }))
  const file = path.join(dir, 'sparse')
  fs.writeFileSync(file, '')
  fs.truncateSync(file, 3 * 1024 ** 3)
  for (const name of [file, '/dev/zero'])
    await t.rejects(readConfig(name), { code: 'FILE_TOO_LARGE', message: /more than 16777216 bytes/ }, name)
  t.same(await readConfig('/dev/null'), {}, 'one that is empty on purpose is read')
})

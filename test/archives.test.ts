// Archives of GNU tar and bsdtar that our tools rewrite, read by other programs. It runs scripts/shows/archives.sh,
// which takes seconds.
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { need } from '@pipelayer/testkit'
import t from 'tap'

const PROGRAMS = ['tar', 'bsdtar', 'python3', 'getfattr', 'setfattr', 'setcap', 'jq']
const SHOW = path.resolve('../scripts/shows/archives.sh')
/** Six archives, with four checks of each. */
const HOLDS = 24

t.test('archives written again are equal trees', { skip: need('root', ...PROGRAMS) }, async t => {
  const { status, stdout, stderr } = spawnSync(SHOW, { encoding: 'utf8' })
  const held = stdout.split('\n').filter(line => line.startsWith('holds: '))
  for (const line of held) t.pass(line)
  t.equal(status, 0, stderr.slice(-500))
  t.equal(held.length, HOLDS)
})

// Layers that have a path twice.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { need, runPipe, tempDir } from '@pipelayer/testkit'
import t from 'tap'

/** Two archives in one: `a`, a hard link to it and `d`; then others of these names. */
const TWICE = `
mkdir one two; mkdir -m 700 one/d; mkdir -m 711 two/d; echo first > one/a; chmod 4755 one/a; ln one/a one/x
echo last > two/a; ln two/a two/x
tar -C one -cf twice.tar d a x; cp twice.tar same.tar; cp twice.tar dir.tar
tar -C two -rf twice.tar d a x; tar -C one -rf same.tar a x; tar -C two -rf dir.tar d
chmod 4750 one/a; cp same.tar mode.tar; tar -C one -rf mode.tar a
`

t.test('a path that a layer has twice', { skip: need('root') }, async t => {
  const top = tempDir(t, 'twice')
  execFileSync('bash', ['-euc', TWICE], { cwd: top })
  const hint =
    /has this path twice, and not the same \(--duplicates last takes the last one.*\[DUPLICATE_ENTRY\]/
  const rows: [args: string, refused: RegExp | undefined, content: string, why: string][] = [
    ['--tar twice.tar', hint, '', 'other content'],
    ['--tar mode.tar', hint, '', 'another mode'],
    ['--tar same.tar', undefined, 'first', 'a file and its hard link, both the same'],
    ['--duplicates same --tar same.tar', undefined, 'first', 'the default'],
    ['--duplicates last --tar twice.tar', undefined, 'last', 'the last one is asked for'],
    ['--duplicates last --overlay --tar twice.tar', undefined, 'last', 'and in overlay form'],
    ['--tar dir.tar', undefined, 'first', 'of directories the last attributes count'],
  ]
  for (const [args, refused, content, why] of rows) {
    fs.rmSync(path.join(top, 'out'), { recursive: true, force: true })
    const { status, stderr } = await runPipe(`untar -q ${args} out`, { cwd: top })
    t.equal(status, refused === undefined ? 0 : 1, `${why}: ${stderr}`)
    if (refused !== undefined) {
      t.match(stderr, refused, why)
      continue
    }
    const [layer = ''] = args.includes('--overlay') ? fs.readdirSync(path.join(top, 'out')) : []
    const root = path.join(top, 'out', layer)
    t.equal(fs.readFileSync(path.join(root, 'x'), 'utf8'), `${content}\n`, why)
    t.equal(fs.statSync(path.join(root, 'a')).nlink, 2, `${why}: one file with two names`)
    if (args.includes('dir')) t.equal(fs.statSync(path.join(root, 'd')).mode & 0o777, 0o711, why)
  }
})

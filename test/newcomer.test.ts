// Checks the README: its recipes are executed as root and as an ordinary user, and their output is compared. The
// scripts that it names must also answer --help.
import fs from 'node:fs'
import path from 'node:path'
import { need, ROOT } from '@pipelayer/testkit'
import t from 'tap'
import { type Lab, lab } from './lab.js'

const USER = 61234

/** A fenced block of the README that begins with a prompt: the commands, and their output. */
interface Recipe {
  readonly commands: readonly string[]
  readonly shown: string
}

function recipes(): Recipe[] {
  const text = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8')
  return [...text.matchAll(/^```\n(\$ [\s\S]*?)^```$/gm)].map(([, block = '']) => {
    const lines = block.split(/(?<=\n)/)
    const commands = lines.filter(line => line.startsWith('$ ')).map(line => line.slice(2))
    return { commands, shown: lines.filter(line => !line.startsWith('$ ')).join('') }
  })
}

/**
 * The shown output as a pattern: `...` stands for omitted text; digests and sizes depend on the machine's busybox and
 * clock.
 */
function pattern(shown: string, isExact: boolean): RegExp {
  const escaped = shown.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('\\.\\.\\.', '.*')
  const loose = escaped
    .replace(/sha256:[0-9a-f]{64}/g, 'sha256:[0-9a-f]{64}')
    .replace(/"size":\d+/g, '"size":\\d+')
  return new RegExp(`^${isExact ? escaped : loose}$`)
}

async function prepared(t: Parameters<typeof lab>[0]): Promise<Lab> {
  const place = lab(t, { PIPELAYER_STORE: undefined, HOME: undefined, SOURCE_DATE_EPOCH: undefined })
  fs.cpSync(path.join(ROOT, 'examples/hello'), place.path('hello'), { recursive: true })
  await place.good('hello/make-rootfs hello/rootfs')
  return place
}

t.test('the recipes', { skip: need('root', 'runc', 'busybox', 'jq', 'newuidmap', 'setpriv') }, async t => {
  const all = recipes()
  t.ok(all.length >= 5, 'they are found')
  t.ok(
    all.every(({ commands }) => commands.length > 0),
    'each has something to type',
  )
  const place = await prepared(t)
  for (const [index, recipe] of all.entries())
    place.write({ [`hello/recipe-${index}`]: recipe.commands.join('') })
  const roots = lab(t)
  fs.cpSync(place.dir, roots.dir, { recursive: true, verbatimSymlinks: true })
  fs.chmodSync(place.dir, 0o755)
  await place.good(`chown -R ${USER}:${USER} .`)
  const asUser = `'${path.join(ROOT, 'scripts/as-user')}' '${place.dir}'`
  for (const [who, { dir }, before] of [
    ['root', roots, 'env'],
    ['a user', place, asUser],
  ] as const)
    for (const [index, { commands, shown }] of all.entries()) {
      const script = path.join(dir, `hello/recipe-${index}`)
      const run = `${before} env -u SOURCE_DATE_EPOCH PIPELAYER_STORE='${dir}/store' bash '${script}'`
      const { stdout, stderr } = await place.run(run, { cwd: path.join(dir, 'hello') })
      // Files of another owner give another digest.
      const isExact = who === 'root' && commands.some(line => line.includes('SOURCE_DATE_EPOCH'))
      t.match(stdout === '' ? stderr : stdout, pattern(shown, isExact), `${who}: ${commands.at(-1)}`)
    }
})

t.test('notes of the README', { skip: need('root', 'umoci') }, async t => {
  const place = lab(t)
  place.write({ 'tree/f': 'f\n' })
  await place.good(
    'layer-pack --dir tree | manifest-gen -t d:1 --media-types docker | blob-put oci:layout:d && umoci gc --layout layout',
  )
  const left = fs.readdirSync(place.path('layout/blobs/sha256'))
  t.equal(left.length, 1, 'umoci gc deletes what a manifest of Docker names')
  const broken = 'img-pull store:none:1 | cat > out'
  t.equal((await place.run(`sh -c '${broken}' 2>&1`)).status, 0, 'as Make runs it, a failure is not seen')
  const flags = '-o pipefail -ec'
  t.match(fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8'), `.SHELLFLAGS = ${flags}`)
  t.equal((await place.run(`bash ${flags} '${broken}' 2>&1`)).status, 1, 'with the flags of the README it is')
})

t.test('scripts tell how they are called', async t => {
  const place = lab(t)
  for (const name of ['bench', 'fuzz', 'judge']) {
    const script = `'${path.join(ROOT, 'scripts', name)}.mjs'`
    const help = await place.run(`node ${script} --help`)
    t.match(help, { status: 0, stderr: '', stdout: new RegExp(`scripts/${name} \\[`) }, `${name} --help`)
    const wrong = await place.run(`node ${script} --no-such-option`)
    t.match(wrong, { status: 2, stdout: '', stderr: new RegExp(`^${name}: .*--no-such-option.*\n$`) }, name)
  }
})

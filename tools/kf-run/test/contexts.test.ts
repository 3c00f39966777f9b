// The meaning of a name of --build-context in FROM and --from: files, an image of a layout, an image by another name.

import fs from 'node:fs'
import path from 'node:path'
import type { LayerRecord } from '@pipelayer/records'
import { need, runPipe, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { changes, Lab } from './kit.js'

const skip = need('root', 'busybox', 'runc', 'unshare', 'setpriv')

t.test('FROM names files', { skip }, async t => {
  const here = new Lab(tempDir(t, 'kf-contexts'))
  const root = path.join(here.dir, 'root')
  fs.mkdirSync(path.join(root, 'bin'), { recursive: true })
  fs.copyFileSync('/bin/busybox', path.join(root, 'bin/sh'))
  fs.mkdirSync(path.join(root, 'own'))
  fs.chownSync(path.join(root, 'own'), 5, 6)
  fs.chmodSync(path.join(root, 'own'), 0o750)
  fs.symlinkSync('own', path.join(root, 'link'))
  fs.writeFileSync(path.join(root, 'no'), '')
  fs.writeFileSync(path.join(root, '.dockerignore'), 'no\n')
  // Docker 28.5.2 makes one layer of these five, all owned by 0:0, with their modes and times.
  const files = [
    'add .dockerignore file 0644 0:0',
    'add bin dir 0755 0:0',
    'add bin/sh file 0755 0:0',
    'add link symlink 0777 0:0',
    'add own dir 0750 0:0',
  ]
  const given = `--build-context base=${root}`
  const run = await here.run('FROM base\nRUN [ -d /own ] && : > /done\nENV A=1\n', given)
  t.equal(run.status, 0, run.stderr)
  t.same(changes(run.snapshots[0]), files, 'they are the first layer')
  t.same(changes(run.snapshots[1]), ['add done file 0644 0:0'], 'steps run on them')
  t.match(run.config.history, [
    { created_by: 'FROM base', comment: 'buildkit.dockerfile.v0' },
    { created_by: /^RUN / },
    { created_by: 'ENV A=1', empty_layer: true },
  ])
  const again = await here.run('FROM base AS b\nFROM scratch\nCOPY --from=b own /o\n', given)
  t.match(again.stderr, /^kf-run: Dockerfile:1: FROM base AS b \(cached\)$/m, 'a second build has them')
  fs.writeFileSync(path.join(root, 'more'), '')
  const changed = await here.run('FROM base\n', given)
  t.same(changes(changed.snapshots[0]), [...files.slice(0, 4), 'add more file 0644 0:0', ...files.slice(4)])
  const missing = await here.run('FROM base\n', '--build-context base=./nowhere')
  t.equal(missing.status, 1)
  t.match(missing.stderr, /^kf-run: Dockerfile:1: FROM base: .*\[\w+\]$/m, 'a folder that is not there')
})

t.test('FROM names an image of a layout', { skip: skip || need('skopeo') }, async t => {
  const here = new Lab(tempDir(t, 'kf-contexts'))
  const layout = path.join(here.dir, 'layout')
  const bin = path.resolve('../../bin')
  const made = await runPipe(
    `layer-pack --dir ${here.context} | manifest-gen -t a:1 | blob-put oci:${layout}:1`,
    { env: { PIPELAYER_STORE: path.join(here.dir, 'other'), PATH: `${bin}:${process.env.PATH}` } },
  )
  const { digest } = made.stdout
    .split('\n')
    .filter(line => line.includes('"manifest"'))
    .map(line => JSON.parse(line))[0]
  const rows: readonly [value: string, why: string][] = [
    [`oci-layout://${layout}:1`, 'by its tag'],
    [`oci-layout://${layout}`, 'the only one'],
    [`oci-layout://${layout}@${digest}`, 'by its digest'],
    [`oci-layout://${layout}:2@${digest}`, 'which beats a tag'],
    [`oci:${layout}:1`, 'as a place'],
  ]
  for (const [value, why] of rows) {
    const { records, stderr } = await here.run('FROM base\n', `--build-context base=${value}`)
    const layers = records.filter(({ type }) => type === 'layer') as LayerRecord[]
    t.equal(layers.length, 1, `${value}: ${why} ${stderr}`)
    const copied = await here.run('FROM scratch\nCOPY --from=base sh /\n', `--build-context base=${value}`)
    t.same(changes(copied.snapshots[0]), ['add sh file 0755 0:0'], `${value}: of --from, ${copied.stderr}`)
  }
  for (const value of [
    `oci-layout://${layout}:2`,
    `oci-layout://${layout}@sha256:${'0'.repeat(64)}`,
    `oci-layout://${here.dir}`,
  ]) {
    const { status, stderr } = await here.run('FROM base\n', `--build-context base=${value}`)
    t.equal(status, 1)
    t.match(stderr, /^kf-run: Dockerfile:1: FROM base: .*\[\w+\]$/m, value)
  }
})

t.test('a layer of the base that is damaged in the store is fetched again', { skip }, async t => {
  const here = new Lab(tempDir(t, 'kf-damaged'))
  const layout = path.join(here.dir, 'layout')
  const bin = path.resolve('../../bin')
  await runPipe(`layer-pack --dir ${here.context} | manifest-gen -t a:1 | blob-put oci:${layout}:1`, {
    env: { PIPELAYER_STORE: path.join(here.dir, 'other'), PATH: `${bin}:${process.env.PATH}` },
  })
  const given = `--build-context base=oci:${layout}:1 --snapshots`
  const first = await here.run('FROM base\n', given)
  const [layer] = first.records.filter(({ type }) => type === 'layer') as LayerRecord[]
  const file = String(layer?.path)
  const good = fs.readFileSync(file)
  const middle = Math.floor(good.length / 2)
  const turned = Buffer.from(good)
  turned[middle] = Number(good[middle]) ^ 1
  const rows: readonly [damage: Buffer, why: string][] = [
    [Buffer.alloc(good.length), 'zeros'],
    [turned, 'one bit'],
    [Buffer.concat([good.subarray(0, middle), Buffer.alloc(good.length - middle)]), 'its second half'],
  ]
  for (const [damage, why] of rows) {
    fs.rmSync(path.join(here.store, 'layers'), { recursive: true, force: true })
    fs.writeFileSync(file, damage)
    const { snapshots, stderr, status } = await here.run(
      `FROM base\nCOPY sh /${why.replaceAll(' ', '')}\n`,
      given,
    )
    t.equal(status, 0, `${why}: ${stderr}`)
    t.equal(snapshots.length, 1, why)
    t.match(stderr, /the store had damaged sha256:\w+, now set aside/, `and that is said: ${why}`)
    t.ok(fs.readFileSync(file).equals(good), `the store is mended: ${why}`)
  }
})

t.test('a packed step that is damaged in the store is executed anew', { skip }, async t => {
  const here = new Lab(tempDir(t, 'kf-damaged-step'))
  const bin = path.resolve('../../bin')
  const text = 'FROM scratch\nCOPY sh /sh\n'
  const { stdout } = await here.start(text, '--snapshots').done
  const pack = { env: { PIPELAYER_STORE: here.store, PATH: `${bin}:${process.env.PATH}` }, input: stdout }
  const packed = await runPipe('ovl-diff | layer-pack', pack)
  const layer = packed.stdout.split('\n').find(line => line.includes('"layer"')) ?? ''
  const { path: file, size } = JSON.parse(layer)
  fs.rmSync(path.join(here.store, 'steps'), { recursive: true })
  fs.writeFileSync(file, Buffer.alloc(size))
  const next = `${text}COPY sh /more\n`
  const broken = await here.run(next)
  t.equal(broken.status, 1)
  t.match(broken.stderr, /was damaged, and is set aside: build again.*\[STEP_LOST\]/)
  const again = await here.run(next)
  t.equal(again.status, 0, again.stderr)
})

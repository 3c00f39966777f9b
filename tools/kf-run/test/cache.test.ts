// The cache of the built kf-run: packed steps, steps of other machines, and steps that are executed at the same time.

import fs from 'node:fs'
import path from 'node:path'
import { diffOverlay } from '@pipelayer/change-set'
import { encodingOf, packChanges } from '@pipelayer/packing'
import type { LayerRecord, SnapshotRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { need, type Scope, startRegistry, tempDir, waitUntil } from '@pipelayer/testkit'
import t from 'tap'
import { content, Lab, type Run } from './kit.js'

const skip = need('root', 'busybox', 'runc', 'unshare', 'setpriv')
const BUSYBOX = 'FROM scratch\nCOPY sh /bin/sh\n'

function lab(t: Scope): Lab {
  return new Lab(tempDir(t, 'kf-cache'))
}

/** Packs the snapshots of a run as layer-pack does. */
async function pack({ snapshots }: Run, dir: string): Promise<void> {
  const store = Store.open(dir)
  for (const { upper = '', lowers = [], cacheKey = '', created } of snapshots) {
    const packed = await packChanges(diffOverlay({ upper, lowers }), () => store.blobWriter())
    const fields = packed ?? { empty: true }
    store.putPacked(cacheKey, encodingOf({ compress: { format: 'gzip' } }), {
      type: 'layer',
      created,
      ...fields,
    })
  }
}

/** The steps that were executed, and those that were not. */
function steps({ stderr }: Run): { readonly executed: string[]; readonly cached: string[] } {
  const lines = stderr.split('\n').flatMap(line => /kf-run: (Dockerfile:\d+.*)$/.exec(line)?.[1] ?? [])
  const isCached = (line: string): boolean => / \(cached.*\)$/.test(line)
  const text = (line: string): string => line.replace(/^Dockerfile:\d+: /, '').replace(/ \(cached.*\)$/, '')
  return {
    executed: lines.filter(line => !isCached(line)).map(text),
    cached: lines.filter(isCached).map(text),
  }
}

const typesOf = (run: Run): string[] => run.records.map(record => record.type)

t.test('a step that is packed', { skip }, async t => {
  const here = lab(t)
  const text = `FROM scratch AS a\nCOPY sh /a\n${BUSYBOX}COPY --from=a /a /a\nRUN echo > /f\nRUN true\nENV A=1\n`
  const cold = await here.run(text)
  t.same(typesOf(cold), ['snapshot', 'snapshot', 'snapshot', 'snapshot', 'config', 'end'], cold.stderr)
  await pack(cold, here.store)
  const warm = await here.run(text)
  t.same(typesOf(warm), ['layer', 'layer', 'layer', 'layer', 'config', 'end'], 'comes as its layer')
  const layers = warm.records.filter(record => record.type === 'layer') as LayerRecord[]
  t.same(
    layers.map(layer => layer.empty ?? false),
    [false, false, false, true],
    'also one that changed nothing',
  )
  for (const [index, layer] of layers.entries()) {
    const { createdBy, created, cacheKey } = cold.snapshots[index] as SnapshotRecord
    t.match(layer, { image: '1', createdBy, created, cacheKey })
    if (!layer.empty) t.ok(fs.existsSync(layer.path ?? ''), 'with the path of its blob')
  }
  t.same(warm.config, cold.config)
  t.same(typesOf(await here.run(text, '--snapshots')).slice(0, 4), typesOf(cold).slice(0, 4), '--snapshots')

  const edited = await here.run(`${text}RUN [ -f /f ] && echo > /g\n`)
  t.same(steps(edited).executed, ['RUN [ -f /f ] && echo > /g'], 'a miss after hits finds its lowers')
  t.same(typesOf(edited).slice(0, 5), ['layer', 'layer', 'layer', 'layer', 'snapshot'])
  const inOther = await here.run(
    `FROM scratch AS x\nCOPY sh /bin/sh\nRUN echo 1 > /x\n${text}COPY --from=x /x /\n`,
  )
  t.same(steps(inOther).executed.sort(), ['COPY --from=x /x /', 'RUN echo 1 > /x'], 'in a stage of no image')

  fs.rmSync(path.join(here.store, 'steps'), { recursive: true })
  t.same(typesOf(await here.run(text)), typesOf(warm), 'its folder is not needed')
  const restored = await here.run(`${text}RUN [ -f /f ] && [ -f /a ] && echo > /h\n`)
  t.same(steps(restored).executed.length, 1, `unpacked from its layer when it is: ${restored.stderr}`)
})

t.test(
  'a warm build starts nothing, mounts nothing, reads no file twice',
  { skip: skip || need('strace') },
  async t => {
    const here = lab(t)
    for (let index = 0; index < 30; index++) here.file(`tree/${index}`, String(index))
    const runs = Array.from({ length: 12 }, (_, index) => `RUN echo ${index} > /f${index}`)
    const copies = Array.from({ length: 15 }, (_, index) => `COPY tree/${index} tree/1* /t${index}/`)
    const text = `${BUSYBOX}${[...runs, ...copies].join('\n')}\nCOPY . /all\nWORKDIR /w\n`
    const cold = await here.run(text)
    t.equal(cold.snapshots.length, 30, cold.stderr)
    await pack(cold, here.store)
    const log = path.join(here.dir, 'strace')
    const before = `strace -f -qq -s 300 -e trace=mount,umount2,execve,openat,open -o '${log}'`
    const warm = await here.run(text, '', { before })
    t.equal(warm.records.filter(record => record.type === 'layer').length, 30, warm.stderr)
    const calls = fs.readFileSync(log, 'utf8').split('\n')
    const named = (name: RegExp): string[] => calls.filter(call => name.test(call))
    t.same(named(/\b(mount|umount2)\(/), [], 'no mount')
    t.equal(named(/\bexecve\(/).filter(call => / = 0$/.test(call)).length, 1, 'no program but itself')
    const opened = named(/open(at)?\(/)
      .flatMap(call => /"([^"]*)", O_RDONLY\|O_NOFOLLOW/.exec(call)?.[1] ?? [])
      .filter(file => /^\/proc\/self\/fd\/.*\/(\d+|sh)$/.test(file))
      .map(file => path.basename(file))
    t.same(opened, [...new Set(opened)], 'no file of the context twice')
  },
)

t.test('steps of another machine', { skip }, async t => {
  const registry = await startRegistry(t)
  const places = (here: Lab): readonly [to: string, from: string, why: string][] => [
    [`oci:${here.dir}/cache:c`, `oci:${here.dir}/cache:c`, 'an OCI layout'],
    [`docker://${registry.host}/cache:c`, `type=registry,ref=${registry.host}/cache:c`, 'a registry'],
    [`type=local,dest=${here.dir}/local`, `type=local,src=${here.dir}/local`, "docker build's words"],
  ]
  for (const row of [0, 1, 2]) {
    const here = lab(t)
    const [to, from, why] = places(here)[row] ?? ['', '', '']
    const text = `FROM scratch AS b\nCOPY sh /bin/sh\nRUN echo built > /out\n${BUSYBOX}COPY --from=b /out /out\nRUN true\n`
    const first = await here.run(text, `--cache-to ${to}`)
    t.equal(first.status, 0, first.stderr)
    const second = await here.run(text, `--cache-from ${from} --store ${here.dir}/two`)
    t.same(steps(second).executed, [], `${why}: ${second.stderr}`)
    t.notOk(fs.existsSync(`${here.dir}/two/steps`), `${why}: nothing is unpacked`)
    t.same(typesOf(second), ['layer', 'layer', 'layer', 'config', 'end'])
    t.same(second.config, first.config, why)
    t.equal(
      fs.readdirSync(`${here.dir}/two/blobs/sha256`).length,
      2,
      `${why}: only the layers that are asked for`,
    )
    const more = `${text}RUN cat /out > /more\n`
    const both = `--cache-from ${from} --cache-to ${to} --store ${here.dir}/two`
    const third = await here.run(more, both)
    t.same(steps(third).executed, ['RUN cat /out > /more'], `${why}: a miss upon them`)
    t.equal(content(third.snapshots[0], 'more'), 'built\n')
    const fourth = await here.run(
      more.replace('out\nFROM', 'out\nRUN echo 2 >> /out\nFROM'),
      `--cache-from ${from} --store ${here.dir}/four`,
    )
    t.same(
      steps(fourth).cached.sort(),
      ['COPY sh /bin/sh', 'COPY sh /bin/sh', 'RUN echo built > /out'],
      `${why}: what was not needed was passed on: ${fourth.stderr}`,
    )
    const alone = await here.run(more, `--store ${here.dir}/two`)
    t.same(steps(alone).cached, [], `${why}: who does not ask for the cache does not get it`)
  }
})

t.test('a cache that is wrong', { skip }, async t => {
  const here = lab(t)
  const cache = path.join(here.dir, 'cache')
  const text = `${BUSYBOX}RUN echo 1 > /f\n`
  const missing = await here.run(text, `--cache-from oci:${cache} --cache-to oci:${cache}`)
  t.same([missing.status, steps(missing).executed.length], [0, 2])
  t.match(missing.stderr, /warning: the cache oci:.* is not used: /, 'the first build has none')
  const layout = (): { manifest: string; config: string } => {
    const blob = (digest: string): string => path.join(cache, 'blobs/sha256', digest.slice(7))
    const index = JSON.parse(fs.readFileSync(path.join(cache, 'index.json'), 'utf8'))
    const manifest = blob(index.manifests[0].digest)
    return { manifest, config: blob(JSON.parse(fs.readFileSync(manifest, 'utf8')).config.digest) }
  }
  type Row = { key: string; on: string; layer?: string; encoding: string; created: string }
  const edit = (change: (rows: Row[]) => unknown): void => {
    const { manifest, config } = layout()
    const document = JSON.parse(fs.readFileSync(config, 'utf8'))
    change(document.steps)
    const store = Store.open(cache)
    const { digest, size } = store.putBytes(Buffer.from(JSON.stringify(document)))
    const before = JSON.parse(fs.readFileSync(manifest, 'utf8'))
    const after = Buffer.from(JSON.stringify({ ...before, config: { ...before.config, digest, size } }))
    const put = store.putBytes(after)
    store.updateIndex(() => ({ schemaVersion: 2, manifests: [{ mediaType: before.mediaType, ...put }] }))
  }
  const swap = (a: Row, b: Row): void => {
    ;[a.layer, b.layer] = [b.layer ?? '', a.layer ?? '']
  }
  const good = fs.readFileSync(path.join(cache, 'index.json'))
  const rows: readonly [why: string, change: (rows: Row[]) => unknown, stderr: RegExp, executed: number][] = [
    [
      'an encoding that is a path',
      ([a]) => a && Object.assign(a, { encoding: 'v2./../../x' }),
      /missing or wrong/,
      2,
    ],
  ]
  for (const [index, [why, change, want, executed]] of rows.entries()) {
    edit(change)
    const run = await here.run(text, `--cache-from oci:${cache} --store ${here.dir}/bad${index}`)
    t.same([run.status, steps(run).executed.length], [0, executed], `${why}: ${run.stderr}`)
    t.match(run.stderr, want, why)
    fs.writeFileSync(path.join(cache, 'index.json'), good)
  }
  edit(([a, b]) => a && b && swap(a, b))
  const swapped = await here.run(`${text}RUN true\n`, `--cache-from oci:${cache} --store ${here.dir}/swapped`)
  t.equal(swapped.status, 1)
  t.match(
    swapped.stderr,
    /\[DIFF_?ID_MISMATCH\]/,
    'a layer under the name of another is found out when it is used',
  )
  fs.writeFileSync(path.join(cache, 'index.json'), good)
  const { layers } = JSON.parse(fs.readFileSync(layout().manifest, 'utf8'))
  fs.writeFileSync(path.join(cache, 'blobs/sha256', layers[0].digest.slice(7)), 'x'.repeat(layers[0].size))
  const damaged = await here.run(text, `--cache-from oci:${cache} --store ${here.dir}/damaged`)
  t.equal(damaged.status, 1)
  t.match(damaged.stderr, /\[DIGEST_MISMATCH\]/, 'a damaged blob never enters the store')
  const invalid = await here.run(text, '--cache-from type=s3,bucket=x')
  t.same([invalid.status, /\[OPTION_INVALID\]/.test(invalid.stderr)], [2, true])
})

t.test('stages that do not need each other run at the same time', { skip }, async t => {
  const here = lab(t)
  const cache = '--mount=type=cache,target=/c'
  const meet = (mine: string, other: string): string =>
    `RUN ${cache} echo > /c/${mine}; until [ -e /c/${other} ]; do sleep 0.05; done; echo ${mine} > /${mine}`
  const text = [
    'FROM scratch AS base\nCOPY sh /bin/sh',
    `FROM base AS a\n${meet('a', 'b')}`,
    `FROM base AS b\n${meet('b', 'a')}`,
    'FROM base\nCOPY --from=a /a /\nCOPY --from=b /b /',
  ].join('\n')
  const run = await here.run(text)
  t.equal(run.status, 0, 'each waits for the other')
  t.equal(
    steps(run).executed.filter(step => step === 'COPY sh /bin/sh').length,
    1,
    'what they share is done once',
  )
  t.same(
    run.snapshots.map(({ createdBy }) => createdBy),
    ['COPY sh /bin/sh # buildkit', 'COPY /a / # buildkit', 'COPY /b / # buildkit'],
    'the records come in the order of the file',
  )
  const one = await here.run(text.replaceAll('until', 'false && until'), '--parallel 1 --no-cache')
  t.equal(one.status, 0, one.stderr)
  const failing = await here.run(
    `FROM scratch AS a\nCOPY sh /bin/sh\nRUN exit 3\nFROM scratch AS b\nCOPY sh /bin/sh\nRUN sleep 600\n${BUSYBOX}COPY --from=b /bin/sh /b\nCOPY --from=a /bin/sh /a\n`,
  )
  t.same(
    [failing.status, /RUN exit 3: ended with status 3/.test(failing.stderr)],
    [1, true],
    'a failure ends the others',
  )
})

t.test('a step is handed on while the next is executed', { skip }, async t => {
  const here = lab(t)
  const cache = '--mount=type=cache,target=/c'
  const run = here.start(
    `${BUSYBOX}RUN ${cache} echo > /c/begun; until [ -e /c/go ]; do sleep 0.05; done\nRUN ${cache} rm /c/go\n`,
  )
  let seen = ''
  run.child.stdout?.on('data', chunk => {
    seen += String(chunk)
  })
  const folder = path.join(here.store, 'caches/root')
  const begun = (): string | undefined =>
    fs.existsSync(folder)
      ? fs.readdirSync(folder).find(name => fs.existsSync(path.join(folder, name, 'begun')))
      : undefined
  await waitUntil('the second step runs', () => begun() !== undefined)
  await waitUntil('the first is out', () => /"type":"snapshot".*COPY sh/.test(seen))
  fs.writeFileSync(path.join(folder, begun() ?? '', 'go'), '')
  t.equal((await run.done).status, 0)
})

t.test('two builds at once on one store', { skip }, async t => {
  const here = lab(t)
  const text = `${BUSYBOX}${[1, 2, 3].map(n => `RUN cat /proc/sys/kernel/random/uuid > /f${n}\n`).join('')}`
  const runs = await Promise.all([1, 2, 3].map(() => here.run(text)))
  t.same(
    runs.map(run => run.status),
    [0, 0, 0],
    runs.map(run => run.stderr).join(''),
  )
  const uppers = runs.map(run => run.snapshots.map(({ upper }) => upper))
  t.same(uppers[1], uppers[0], 'one of them is kept, and is what all go on with')
  t.same(uppers[2], uppers[0])
  t.same(fs.readdirSync(path.join(here.store, 'tmp')), [], 'nothing is left')
  t.equal(fs.readdirSync(path.join(here.store, 'steps/root')).length, 4)
  const fresh = await Promise.all([1, 2].map(() => here.run(text, '--no-cache')))
  t.same(
    fresh.map(run => run.status),
    [0, 0],
  )
  t.same(steps(await here.run(text)).executed, [], 'of two new builds the last is the cache')
})

t.test('several platforms', { skip }, async t => {
  const here = lab(t)
  const text = [
    'FROM --platform=$BUILDPLATFORM scratch AS build',
    'COPY sh /bin/sh',
    'RUN echo common > /c',
    'ARG TARGETARCH TARGETVARIANT',
    'RUN echo $TARGETARCH$TARGETVARIANT > /arch',
    'FROM scratch',
    'COPY --from=build /arch /c /',
  ].join('\n')
  const run = await here.run(text, '--platform linux/amd64,linux/arm64,linux/arm/v7,linux/amd64')
  t.equal(run.status, 0, run.stderr)
  t.same(
    run.records.map(({ type, image }) => `${type} ${image}`),
    ['snapshot 1', 'config 1', 'snapshot 2', 'config 2', 'snapshot 3', 'config 3', 'end undefined'],
    'an image for each, in the order asked for, once',
  )
  t.same(
    run.snapshots.map(snapshot => content(snapshot, 'arch').trim()),
    ['amd64', 'arm64', 'armv7'],
  )
  const configs = run.records.filter(({ type }) => type === 'config').map(({ config }) => config)
  t.match(configs, [
    { os: 'linux', architecture: 'amd64' },
    { architecture: 'arm64' },
    { architecture: 'arm', variant: 'v7' },
  ])
  t.equal(
    steps(run).executed.filter(step => step === 'RUN echo common > /c').length,
    1,
    'what they share once',
  )
  const to = `--cache-to oci:${here.dir}/c --platform linux/amd64,linux/arm64`
  t.equal((await here.run(text, to)).status, 0)
  const from = `--cache-from oci:${here.dir}/c --store ${here.dir}/two --platform linux/arm64,linux/amd64`
  t.same(steps(await here.run(text, from)).executed, [], 'a cache holds those of all platforms')
  const foreign = await here.run(`${BUSYBOX}RUN exit 1\n`, '--platform linux/s390x')
  t.match(foreign.stderr, /emulator/, 'a RUN of another processor says what it may need')
})

t.test('SOURCE_DATE_EPOCH', { skip }, async t => {
  const [one, two] = [lab(t), lab(t)]
  const env = { SOURCE_DATE_EPOCH: '1700000000' }
  const text = `${BUSYBOX}WORKDIR /w\nCOPY f <<E /d/\nx\nE\nRUN echo > /f\nENV A=1\n`
  const results: unknown[] = []
  for (const [index, here] of [one, two].entries()) {
    here.file('f', 'f')
    fs.utimesSync(path.join(here.context, 'f'), 1_600_000_000, 1_600_000_000)
    fs.utimesSync(path.join(here.context, 'sh'), 1_700_000_001 + index, 1_700_000_001 + index)
    const run = await here.run(text, '', { env })
    t.equal(run.status, 0, run.stderr)
    const digests: string[] = []
    const store = Store.open(here.store)
    for (const { upper = '', lowers = [] } of run.snapshots) {
      const how = { sourceDateEpoch: 1_700_000_000 }
      digests.push(
        (await packChanges(diffOverlay({ upper, lowers }), () => store.blobWriter(), how))?.digest ?? '',
      )
    }
    results.push([digests, run.config, run.snapshots.map(({ cacheKey }) => cacheKey)])
    t.equal(run.config.created, '2023-11-14T22:13:20Z')
    t.same(
      [...new Set(run.config.history.map((entry: { created: string }) => entry.created))],
      ['2023-11-14T22:13:20Z'],
    )
  }
  t.same(results[1], results[0], 'the same layers, config and keys in another folder at another time')
})

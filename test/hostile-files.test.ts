// Files of others that are no regular files: opening a FIFO waits for ever, and a device or a sparse file gives more
// bytes than fit into memory. Every program that names or unpacks one must give one clear error at once.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { need, RecordWriter, runPipe, tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'

/** Far more than a program needs, far less than one that waits for a writer takes. */
const TIMEOUT_MS = 30_000
const SPARSE_BYTES = 3 * 1024 ** 3
/**
 * The memory limit of each program, in KiB: a program that reads without a bound fails at this limit, not at that of
 * the machine.
 */
const MEMORY_KIB = 1_500_000
const EMPTY_TAR = '\0'.repeat(1024)
const BAITS = {
  'a FIFO': (file: string): unknown => execFileSync('mkfifo', [file]),
  'a symlink to /dev/zero': (file: string): unknown => fs.symlinkSync('/dev/zero', file),
  'a sparse file of 3 GB': (file: string): unknown => {
    fs.writeFileSync(file, '')
    return fs.truncateSync(file, SPARSE_BYTES)
  },
  'a directory': (file: string): unknown => fs.mkdirSync(file),
}

type Bait = keyof typeof BAITS

interface Attack {
  readonly does: string
  /** The bad file, by its path below the folder of the test. */
  readonly victim: string
  readonly command: string
  readonly baits?: readonly Bait[]
  readonly code: RegExp
  readonly status?: number
}

const ALL = Object.keys(BAITS) as Bait[]
const NO_FILE = ['a FIFO', 'a symlink to /dev/zero', 'a directory'] as const

/** `LAYER` and `MANIFEST` stand for the encoded digests of the image that `prepare` makes. */
const ATTACKS: readonly Attack[] = [
  {
    does: 'index.json of a layout',
    victim: 'layout/index.json',
    command: 'img-pull oci:layout:1',
    code: /FILE_INVALID|FILE_TOO_LARGE/,
  },
  {
    does: 'oci-layout of a layout',
    victim: 'layout/oci-layout',
    command: 'img-pull oci:layout:1',
    code: /FILE_INVALID|FILE_TOO_LARGE/,
  },
  {
    does: 'a manifest of a layout',
    victim: 'layout/blobs/sha256/MANIFEST',
    command: 'img-pull oci:layout:1',
    code: /FILE_INVALID|SIZE_INVALID/,
  },
  {
    does: 'a layer of a layout',
    victim: 'layout/blobs/sha256/LAYER',
    command: 'img-pull oci:layout:1',
    code: /FILE_INVALID|SIZE_MISMATCH|BLOB_UNKNOWN/,
  },
  {
    does: 'a layout that is served',
    victim: 'layout/index.json',
    command: 'registry-serve --read-only --listen 127.0.0.1:0 layout --until-eof',
    code: /FILE_INVALID|FILE_TOO_LARGE/,
  },
  {
    does: 'the path of a layer record',
    victim: 'blob-of-layer',
    command: 'untar root < records',
    code: /FILE_INVALID|SIZE_MISMATCH/,
  },
  {
    does: 'the path of a layer record, listed',
    victim: 'blob-of-layer',
    command: 'layer-ls < records',
    code: /FILE_INVALID|SIZE_MISMATCH/,
  },
  {
    does: 'the path of a layer record, put',
    victim: 'blob-of-layer',
    command: 'blob-put oci:out:1 < records',
    code: /BLOB_MISSING|FILE_INVALID|SIZE_MISMATCH/,
  },
  {
    does: 'the path of a manifest record',
    victim: 'blob-of-manifest',
    command: 'untar root < records',
    code: /FILE_INVALID|FILE_TOO_LARGE/,
  },
  {
    does: 'the path of a manifest record, joined to an index',
    victim: 'blob-of-manifest',
    command: 'manifest-gen --index < records',
    code: /BLOB_UNKNOWN/,
  },
  {
    does: 'an archive of images',
    victim: 'archive.tar',
    command: 'img-pull docker-archive:archive.tar',
    baits: NO_FILE,
    code: /FILE_INVALID|TAR_INVALID|ARCHIVE_INVALID/,
  },
  {
    does: 'the link of a tag in a registry folder',
    victim: 'folder/docker/registry/v2/repositories/app/_manifests/tags/1/current/link',
    command: 'img-pull registry-fs:folder:app:1',
    code: /MANIFEST_UNKNOWN|LINK_INVALID|ELOOP/,
  },
  {
    does: 'a manifest in a registry folder',
    victim: 'folder/docker/registry/v2/blobs/sha256/XX/MANIFEST/data',
    command: 'img-pull registry-fs:folder:app:1',
    code: /MANIFEST_UNKNOWN|SIZE_INVALID|ELOOP/,
  },
  {
    does: 'the ignore file beside a Dockerfile',
    victim: 'context/Dockerfile.dockerignore',
    command: 'kf-parse context/Dockerfile | kf-run --context context',
    code: /FILE_INVALID|FILE_TOO_LARGE/,
  },
  {
    does: 'a chart among manifests',
    victim: 'rootfs/charts/a.tgz',
    command: 'kf-images rootfs rootfs/charts/a.tgz',
    baits: ['a FIFO', 'a symlink to /dev/zero'],
    code: /FILE_INVALID|CHART_INVALID/,
  },
  {
    does: 'the configuration of mirrors',
    victim: 'registries.conf',
    command: 'CONTAINERS_REGISTRIES_CONF=registries.conf img-pull docker://127.0.0.1:1/a:1',
    baits: ['a symlink to /dev/zero', 'a sparse file of 3 GB'],
    code: /FILE_TOO_LARGE/,
  },
]

for (const { does, baits = ALL, ...attack } of ATTACKS)
  t.test(does, { skip: need('mkfifo') }, async t => {
    for (const bait of baits) await t.test(`is ${bait}`, async t => meets(t, bait, attack))
  })

async function meets(t: Test, bait: Bait, attack: Omit<Attack, 'does' | 'baits'>): Promise<void> {
  const dir = tempDir(t)
  const names = await prepare(dir)
  const victim = path.join(
    dir,
    attack.victim.replace(/LAYER|MANIFEST|XX/g, word => names.get(word) ?? ''),
  )
  fs.mkdirSync(path.dirname(victim), { recursive: true })
  fs.rmSync(victim, { force: true })
  BAITS[bait](victim)
  const command = `ulimit -d ${MEMORY_KIB}; ${attack.command}`
  const result = await runPipe(command, { cwd: dir, env: { HOME: dir }, timeoutMs: TIMEOUT_MS })
  t.equal(result.timedOut, false, 'it does not wait')
  t.equal(result.status, attack.status ?? 1, result.stderr)
  t.match(result.stdout + result.stderr, attack.code)
}

/** An image in every form in which another person could pass it on. */
async function prepare(dir: string): Promise<ReadonlyMap<string, string>> {
  const blobs = path.join(dir, 'blobs')
  fs.mkdirSync(blobs)
  const records = new RecordWriter(blobs).image('1', [EMPTY_TAR])
  const moved = records.map(record => {
    const place = path.join(dir, `blob-of-${record.type}`)
    fs.copyFileSync(String(record.path), place)
    return { ...record, path: place, ...(record.type === 'layer' && { diffID: record.digest }) }
  })
  const text = [...moved, { type: 'end', tool: 'test', records: moved.length, failed: 0 }]
  fs.writeFileSync(path.join(dir, 'records'), text.map(record => `${JSON.stringify(record)}\n`).join(''))
  fs.mkdirSync(path.join(dir, 'context'))
  fs.writeFileSync(path.join(dir, 'context/Dockerfile'), 'FROM scratch\nCOPY . /\n')
  for (const place of ['oci:layout:1', 'registry-fs:folder:app:1']) {
    const { status, stderr } = await runPipe(`blob-put ${place} < records`, { cwd: dir, env: { HOME: dir } })
    if (status !== 0) throw new Error(stderr)
  }
  const hex = (type: string): string =>
    String(records.find(record => record.type === type)?.digest).slice('sha256:'.length)
  const manifest = hex('manifest')
  return new Map([
    ['LAYER', hex('layer')],
    ['MANIFEST', manifest],
    ['XX', manifest.slice(0, 2)],
  ])
}

t.test('an image of a store that may only be read', { skip: need('root', 'unshare') }, async t => {
  const dir = tempDir(t)
  await prepare(dir)
  const env = { HOME: dir, PIPELAYER_STORE: path.join(dir, 'store') }
  const put = await runPipe('blob-put store:app:1 < records', { cwd: dir, env })
  t.equal(put.status, 0, put.stderr)
  const readOnly = 'mount --bind store store && mount -o remount,ro,bind store'
  const pull = await runPipe(`unshare -m sh -c '${readOnly} && img-pull store:app:1'`, { cwd: dir, env })
  t.same([pull.status, pull.stderr], [0, ''], 'is pulled: nothing would change')
  t.match(pull.records().at(-1), { type: 'end', records: 3, failed: 0 })
  const other = `unshare -m sh -c '${readOnly} && img-pull oci:layout:1 --store store'`
  t.equal(
    (await runPipe(other, { cwd: dir, env })).status,
    0,
    'one of another place whose blobs are there, too',
  )
  const name = `unshare -m sh -c '${readOnly} && blob-put store:app:2 < records'`
  const { status, stderr } = await runPipe(name, { cwd: dir, env })
  t.equal(status, 75, 'a new name is refused')
  t.match(stderr, /EROFS/)
})

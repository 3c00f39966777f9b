// The same input gives the same digest: contexts of other times and directory order, other numbers of workers,
// another locale, time zone and umask, each into an empty store.
import fs from 'node:fs'
import path from 'node:path'
import { need } from '@pipelayer/testkit'
import t from 'tap'
import { dockerfile, writeContext } from './context.js'
import { lab } from './lab.js'

const EPOCH = 1_600_000_000
const RUN_STEP = 'RUN for n in c a b; do echo $n > /srv/$n; done; mkdir -p /srv/z/y; chmod 711 /srv/z'

t.test('one Dockerfile, one manifest digest', { skip: need('root') }, async t => {
  const rows = [
    { workers: 1, order: 'forwards', mtime: EPOCH + 1000, env: {}, why: 'the first' },
    {
      workers: 4,
      order: 'backwards',
      mtime: EPOCH + 999_999,
      env: {},
      why: 'four workers, other times and order',
    },
    {
      workers: 2,
      order: 'forwards',
      mtime: EPOCH + 5,
      env: { TZ: 'Pacific/Chatham', LC_ALL: 'tr_TR.UTF-8', LANG: 'C' },
      why: 'time zone and locale',
    },
  ]
  const digests = new Set<string>()
  for (const { workers, order, mtime, env, why } of rows) {
    const place = lab(t, { SOURCE_DATE_EPOCH: String(EPOCH), ...env })
    const context = writeContext(place, dockerfile(RUN_STEP))
    fill(path.join(context, 'files/many'), order === 'backwards')
    touchAll(context, mtime)
    const { records } = await place.good(
      `umask ${workers === 4 ? '077' : '022'}; kf-parse context/Dockerfile | kf-run --context context | ovl-diff | layer-pack --workers ${workers} | manifest-gen -t app:1 | blob-put oci:out:1`,
      { timeoutMs: 300_000 },
    )
    const manifest = records().find(({ type }) => type === 'manifest')
    t.type(manifest?.digest, 'string', why)
    digests.add(String(manifest?.digest))
  }
  t.equal(digests.size, 1, [...digests].join(' '))
})

/** Writes enough bytes for several compression blocks, into files that are made in one order or the other. */
function fill(dir: string, backwards: boolean): void {
  fs.mkdirSync(dir)
  const numbers = Array.from({ length: 60 }, (_, i) => i)
  for (const n of backwards ? numbers.reverse() : numbers) {
    fs.writeFileSync(path.join(dir, `file-${n}`), `${'line of text '.repeat(n * 200)}${n}\n`)
  }
}

function touchAll(dir: string, seconds: number): void {
  for (const name of fs.readdirSync(dir, { recursive: true }) as string[])
    fs.lutimesSync(path.join(dir, name), seconds, seconds)
  fs.utimesSync(dir, seconds, seconds)
}

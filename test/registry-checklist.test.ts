// Answers that have broken other clients of registries: for each line of the checklist, named by its advisory or by its
// words, our programs meet a registry on loopback that misbehaves in this one way.
import fs from 'node:fs'
import path from 'node:path'
import type { Scope } from '@pipelayer/testkit'
import t from 'tap'
import { type BadRegistry, imageOf, misbehaving } from './bad-registry.js'
import { MANIFESTS } from './checklist/manifests.js'
import type { RegistryRow } from './checklist/registry-row.js'
import { TRANSFERS } from './checklist/transfers.js'
import { type Lab, lab } from './lab.js'

const PASSWORD = 's3cret'
const SECRETS = [PASSWORD, Buffer.from(`me:${PASSWORD}`).toString('base64')]

for (const [section, rows] of Object.entries({ MANIFESTS, TRANSFERS })) {
  t.test(section.toLowerCase(), { jobs: 4 }, async t => {
    await Promise.all(rows.map(row => t.test(row.why, { buffered: true }, async t => check(t, row))))
  })
}

type Test = Scope & Pick<typeof t, 'equal' | 'same' | 'match' | 'notOk'>

async function check(t: Test, row: RegistryRow): Promise<void> {
  const place = lab(t, { DOCKER_CONFIG: 'docker', REGISTRY_AUTH_FILE: undefined })
  const other = await misbehaving(t, ({ response }) => {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="give"' }).end()
    return true
  })
  const registry = await misbehaving(t, row.answer?.(other.host) ?? (() => false), imageOf(row.image))
  logIn(place, registry)
  if (row.command?.('').includes('oci:good') === true) await goodImage(t, place)
  const command = row.command?.(registry.host) ?? `img-pull docker://${registry.host}/a/b:1`
  const { statuses, stderr, stdout } = await place.run(command)
  judge(t, row, { statuses, stderr, stdout })
  t.same(
    other.seen,
    (row.asksOther ?? []).map(url => `GET ${url}`),
    'the other server got no credentials',
  )
  for (const secret of SECRETS) t.notOk(`${stdout}${stderr}`.includes(secret), 'no secret is told')
  if (row.code !== undefined && !row.isStored) t.same(place.tags(), [], 'nothing is published')
}

interface Result {
  readonly statuses: readonly number[]
  readonly stdout: string
  readonly stderr: string
}

function judge(t: Test, row: RegistryRow, { statuses, stdout, stderr }: Result): void {
  if (row.says !== undefined) t.match(stderr, row.says)
  const worst = Math.max(...statuses)
  if (row.code === undefined) {
    t.equal(worst, 0, stderr)
    t.match(JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? ''), { type: 'end', failed: 0 }, 'it is whole')
    return
  }
  t.equal(worst, row.status ?? 1, stderr)
  const lines = stderr.split('\n').filter(line => line.endsWith(`[${row.code}]`))
  t.equal(lines.length, 1, `one line that names ${row.code}: ${stderr}`)
  t.notOk(/[\x00-\x09\x0b-\x1f]/.test(stderr), 'no control characters')
}

/** Stores credentials for this registry, and for no other. */
function logIn(place: Lab, { host }: BadRegistry): void {
  const auth = Buffer.from(`me:${PASSWORD}`).toString('base64')
  place.write({ 'docker/config.json': JSON.stringify({ auths: { [host]: { auth } } }) })
}

async function goodImage(t: Test, place: Lab): Promise<void> {
  const good = await misbehaving(t, () => false)
  await place.good(`img-pull docker://${good.host}/a/b:1 | blob-put oci:good:1`)
  fs.rmSync(path.join(place.store), { recursive: true })
}

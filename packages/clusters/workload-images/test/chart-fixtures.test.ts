// Charts of many shapes: what is found without helm, against lists that were written by hand.
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { formatReference, parseNormalized } from '@pipelayer/reference'
import t from 'tap'
import { scan } from '../src/index.js'

const CHARTS = path.join(
  import.meta.dirname,
  import.meta.dirname.endsWith('.test') ? '../test/charts' : 'charts',
)
/** Bounds for all charts together: of the images of a list, and of what is found. */
const LEAST_FOUND = 0.8
const MOST_FALSE = 0.1

const root = fs.mkdtempSync(path.join(os.tmpdir(), 'charts-'))
t.teardown(() => fs.rmSync(root, { recursive: true }))

interface Fixture {
  readonly name: string
  readonly dir: string
  readonly images: readonly string[]
  /** What `helm template` gives, if it was recorded. */
  readonly rendered: string | undefined
}

/** A fixture is one file: `=== PATH` begins a file of the chart, `images` is the list, `rendered` what helm gives. */
function unpacked(file: string): Fixture {
  const name = path.basename(file, '.chart')
  const [, ...sections] = fs.readFileSync(path.join(CHARTS, file), 'utf8').split(/^=== /m)
  const parts = new Map(
    sections.map(text => [text.slice(0, text.indexOf('\n')), text.slice(text.indexOf('\n') + 1)]),
  )
  const dir = path.join(root, name)
  for (const [part, text] of parts) {
    if (part === 'images' || part === 'rendered') continue
    fs.mkdirSync(path.dirname(path.join(dir, part)), { recursive: true })
    fs.writeFileSync(path.join(dir, part), text)
  }
  const images = (parts.get('images') ?? '')
    .split('\n')
    .filter(line => line !== '')
    .map(fullName)
  return { name, dir, images, rendered: parts.get('rendered') }
}

/** Two spellings of a name are one image. */
function fullName(text: string): string {
  return formatReference(parseNormalized(text))
}

async function imagesOf(
  dir: string,
  helm?: string,
): Promise<{ images: readonly string[]; said: readonly string[] }> {
  const images = new Set<string>()
  const said: string[] = []
  for await (const found of scan(dir, { helm })) {
    if (found.type === 'image') images.add(fullName(found.image.reference))
    else if (found.type === 'warning') said.push(`${found.message} [${found.code}]`)
    else if (found.type === 'failure') said.push(`${found.error.message} [${found.error.code}]`)
  }
  return { images: [...images], said }
}

const fixtures = fs.readdirSync(CHARTS).sort().map(unpacked)
/** Everything that is said about a fixture; nothing about the others. */
const SAID: Readonly<Record<string, readonly RegExp[]>> = {
  delivery: [/Chart\.yaml:6: keyvalue-ha, on which the chart delivery depends, .*\[CHART_INCOMPLETE]$/],
  monitoring: [/Chart\.yaml:7: windows-exporter, on which .*\[CHART_INCOMPLETE]$/],
  missing: [
    /requirements\.yaml:2: gone, on which the chart missing depends, is not in its charts\/.*\[CHART_INCOMPLETE]$/,
  ],
  'broken-template': [
    /templates\/b\.yaml:3: an action does not end: its image lines are read one by one \[TEMPLATE_INVALID]$/,
  ],
}

t.test('images without helm', async t => {
  const table: string[] = []
  const sums = { listed: 0, found: 0, named: 0, wrong: 0 }
  for (const { name, dir, images } of fixtures) {
    const { images: named, said } = await imagesOf(dir)
    const found = images.filter(image => named.includes(image))
    const wrong = named.filter(image => !images.includes(image))
    table.push(`${name.padEnd(24)} ${found.length}/${images.length} found, ${wrong.length} false`)
    sums.listed += images.length
    sums.found += found.length
    sums.named += named.length
    sums.wrong += wrong.length
    for (const image of images) if (!named.includes(image)) t.comment(`${name}: not found ${image}`)
    for (const image of wrong) t.comment(`${name}: false ${image}`)
    t.match(said, SAID[name] ?? [], `what is said of ${name}`)
    t.equal(said.length, SAID[name]?.length ?? 0, `how much is said of ${name}`)
  }
  t.comment(`\n${table.join('\n')}\n${JSON.stringify(sums)}`)
  t.equal(fixtures.length, 30, 'all fixtures are there')
  t.ok(fixtures.filter(({ images }) => images.length > 0).length >= 12, 'with lists')
  t.ok(sums.found >= LEAST_FOUND * sums.listed, `${sums.found} of ${sums.listed} images are found`)
  t.ok(sums.wrong <= MOST_FALSE * sums.named, `${sums.wrong} of ${sums.named} names are false`)
})

t.test('as helm renders them', async t => {
  const recorded = fixtures.filter(({ rendered }) => rendered !== undefined)
  t.ok(recorded.length >= 8, 'recorded renderings')
  for (const { name, dir, images, rendered = '' } of recorded) {
    const helm = path.join(root, `helm-${name}`)
    fs.writeFileSync(`${helm}.yaml`, rendered)
    fs.writeFileSync(helm, `#!/bin/sh\nexec cat "${helm}.yaml"\n`, { mode: 0o755 })
    const { images: byHelm } = await imagesOf(dir, helm)
    t.same([...byHelm].sort(), [...images].sort(), `${name}: helm decides`)
    t.same([...(await imagesOf(dir)).images].sort(), [...byHelm].sort(), `${name}: the same without helm`)
  }
})

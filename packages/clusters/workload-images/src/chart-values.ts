/**
 * Guesses images from the values of a chart. They are guesses, because it is not known what the templates do with the
 * values.
 *
 *     image: quay.io/a/b:1                          a text under a key that ends in "image"
 *     image: quay.io/a/b, imageTag: 1               and a tag beside it
 *     image: {registry: quay.io, repository: a/b, tag: 1, digest: sha256:...}
 *     anything: {repository: a/b, tag: 1}
 *     anything: {repository: quay.io/a, image: b, version: 1}
 *
 * Values below `enabled: false`, `install: false` and the like are left out. A missing tag is the chart's appVersion; a
 * missing registry is that of `global.imageRegistry` or `global.image`.
 *
 * @module
 */

import type { YAMLNode, YAMLPair } from '@pipelayer/yaml'
import { child, type MapNode, textOf } from './fields.js'
import type { FoundImage } from './found.js'
import { type FiledNode, fileOf } from './merge-values.js'
import { offSwitchOf } from './switches.js'

export interface ChartDescription {
  readonly name: string
  /** `''` when the chart has none. */
  readonly appVersion: string
}

const MAX_DEPTH = 50
const MAX_STEPS = 100_000
const IMAGE_KEY = /image$/i
const HAS_DOMAIN = /^(?:localhost|[^/]*[.:][^/]*)\//
const TAGS = ['tag', 'imageTag', 'version', 'imageVersion'] as const
/** One of these beside a repository shows that it is one of images. */
const COMPANIONS: readonly string[] = [
  ...TAGS,
  'digest',
  'sha',
  'pullPolicy',
  'imagePullPolicy',
  'image',
  'registry',
]

export interface ValuesOptions {
  readonly chart: ChartDescription
  /** Keys with the values of subcharts, which are read with those charts. */
  readonly below?: ReadonlySet<string>
}

/** An image, and the keys that lead to it in the values. */
export interface ValuesImage extends FoundImage {
  readonly path: readonly string[]
  /** The keys of its parts, if it is a map. */
  readonly parts: readonly string[]
}

/** The images in the order of the text, including repeated ones. It reads at most 100,000 nodes, 50 levels deep. */
export function* valuesImages(
  { node, file }: FiledNode,
  { chart, below = NONE }: ValuesOptions,
): Generator<ValuesImage, void, void> {
  const global = child(node, 'global')
  const registry = textOf(child(global, 'imageRegistry')) || textOf(child(child(global, 'image'), 'registry'))
  const context = { chart, below, registry, left: MAX_STEPS }
  for (const named of walk(node, context, { file, path: [] })) {
    const why = `the value ${named.path.join('.') || 'at the top'}`
    yield { ...named, foundIn: 'values', why, guess: true }
  }
}

const NONE: ReadonlySet<string> = new Set()

interface Context extends Required<ValuesOptions> {
  readonly registry: string
  left: number
}

interface Spot {
  readonly file: string
  readonly path: readonly string[]
}

type Named = Pick<Required<FoundImage>, 'reference' | 'line' | 'file'> & Pick<ValuesImage, 'path' | 'parts'>

function* walk(node: YAMLNode, context: Context, around: Spot): Generator<Named, void, void> {
  const { path } = around
  if (context.left-- <= 0 || path.length > MAX_DEPTH || node.kind === 'scalar') return
  const spot = { path, file: fileOf(node, around.file) }
  if (node.kind === 'list') {
    for (const item of node.items) yield* walk(item, context, { ...spot, path: [...path, '*'] })
    return
  }
  if (path.length > 0 && offSwitchOf(node) !== undefined) return
  const own = path.length > 0 && isImageMap(node) ? imageOf(node, context, around) : undefined
  if (own !== undefined) yield own
  for (const [key, value] of node.pairs) {
    const isBelow = path.length === 0 && key.kind === 'scalar' && context.below.has(key.text)
    if (!isBelow) yield* pairImages([key, value], { node, context, spot, isNamed: own !== undefined })
  }
}

/** The position of a pair in the values. */
interface PairPlace {
  readonly node: MapNode
  readonly context: Context
  readonly spot: Spot
  /** The map was taken as an image already, so that a text in it is a part of that image. */
  readonly isNamed: boolean
}

function* pairImages(
  [key, value]: YAMLPair,
  { node, context, spot, isNamed }: PairPlace,
): Generator<Named, void, void> {
  const name = key.kind === 'scalar' ? key.text : ''
  const inner = { ...spot, path: [...spot.path, name] }
  if (!IMAGE_KEY.test(name)) return yield* walk(value, context, inner)
  if (value.kind === 'scalar') {
    if (isNamed) return
    // In {registry, image, tag}, `image` is the repository.
    const isPart = name === 'image' && ['registry', ...TAGS].some(part => child(node, part) !== undefined)
    const found = isPart ? imageOf(node, context, spot) : plainImage([name, value], node, inner)
    if (found !== undefined) yield found
    return
  }
  const isNamedMap =
    value.kind === 'map' &&
    offSwitchOf(value) === undefined &&
    !isImageMap(value) &&
    part(value, ['name', 'imageName']) !== ''
  if (isNamedMap && part(value, TAGS) !== '' && child(value, 'repository') === undefined) {
    const found = imageOf(value, context, inner)
    if (found !== undefined) yield found
  }
  yield* walk(value, context, inner)
}

/** A map with a repository of images. */
function isImageMap(node: MapNode): boolean {
  return (
    part(node, ['repository', 'imageRepository']) !== '' &&
    COMPANIONS.some(name => child(node, name) !== undefined)
  )
}

/** A text under a key such as `initImage`, with the tag of `initImageTag` or `initTag`. */
function plainImage([key, value]: readonly [string, YAMLNode], node: MapNode, spot: Spot): Named | undefined {
  const text = textOf(value)
  const tag = part(node, [`${key}Tag`, `${key}Version`, key.replace(IMAGE_KEY, 'Tag')])
  // A single word is more often a switch than an image.
  if (!/[/:]/.test(text) && (tag === '' || text === '')) return undefined
  const reference = withTag(text, tag)
  return { reference, line: value.line, file: fileOf(value, spot.file), path: spot.path, parts: [] }
}

function imageOf(node: MapNode, { chart, registry }: Context, { file, path }: Spot): Named | undefined {
  const repository = nameIn(node)
  if (repository === '') return undefined
  const host = part(node, ['registry', 'imageRegistry']) || registry
  const tag = part(node, TAGS) || chart.appVersion
  const sha = part(node, ['sha'])
  const digest =
    part(node, ['digest', 'imageDigest']) || (sha === '' ? '' : `sha256:${sha.replace(/^sha256:/, '')}`)
  const name =
    host === '' || HAS_DOMAIN.test(repository) ? repository : `${host.replace(/\/$/, '')}/${repository}`
  const tagged = withTag(name, tag)
  const reference = digest === '' ? tagged : `${tagged}@${digest}`
  const parts = node.pairs.map(([key]) => (key.kind === 'scalar' ? key.text : ''))
  return { reference, line: node.line, file: fileOf(node, file), path, parts }
}

/**
 * The name without registry and tag. In {repository, image, version} and {registry, repository, name, tag}, the
 * repository is a folder of images.
 */
function nameIn(node: MapNode): string {
  const repository = part(node, ['repository', 'imageRepository'])
  const isFolder = child(node, 'registry') !== undefined && !repository.includes('/')
  const image = part(node, isFolder ? ['image', 'name'] : ['image'])
  if (repository !== '' && image !== '') return `${repository.replace(/\/$/, '')}/${image}`
  return repository || image || part(node, ['name', 'imageName'])
}

function withTag(name: string, tag: string): string {
  return tag === '' || /[:@][^/]*$/.test(name) ? name : `${name}:${tag}`
}

/** The first text that is not empty under these keys. */
function part(node: MapNode, names: readonly string[]): string {
  for (const name of names) {
    const text = textOf(child(node, name))
    if (text !== '') return text
  }
  return ''
}

/**
 * Guesses images from the values of a chart. They are guesses, because it is not known what the templates do with the
 * values.
 *
 *     image: quay.io/a/b:1                          a text under a key that ends in "image"
 *     image: {registry: quay.io, repository: a/b, tag: 1, digest: sha256:...}
 *     anything: {repository: a/b, tag: 1}
 *
 * Values below `enabled: false` are left out. A missing tag is the chart's appVersion; a missing registry is that of
 * `global.imageRegistry` or `global.image`; an empty repository is the chart's own name.
 *
 * @module
 */

import type { YAMLNode, YAMLPair } from '@pipelayer/yaml'
import type { FoundImage } from './found.js'
import { type FiledNode, fileOf } from './merge-values.js'

export interface ChartDescription {
  readonly name: string
  /** `''` when the chart has none. */
  readonly appVersion: string
}

const MAX_DEPTH = 50
const MAX_STEPS = 100_000
const IMAGE_KEY = /image$/i
const HAS_DOMAIN = /^(?:localhost|[^/]*[.:][^/]*)\//

type MapNode = Extract<YAMLNode, { kind: 'map' }>

/** The values of large maps by their keys, because a template may ask for each of them. */
const INDEXES = new WeakMap<MapNode, ReadonlyMap<string, YAMLNode>>()
const MIN_INDEXED = 16

/** The value of a key; if the key occurs twice, the last value. */
export function child(node: YAMLNode | undefined, name: string): YAMLNode | undefined {
  if (node?.kind !== 'map') return undefined
  if (node.pairs.length >= MIN_INDEXED) return indexOf(node).get(name)
  return node.pairs.findLast(([key]) => key.kind === 'scalar' && key.text === name)?.[1]
}

function indexOf(node: MapNode): ReadonlyMap<string, YAMLNode> {
  const known = INDEXES.get(node)
  if (known !== undefined) return known
  const index = new Map(
    node.pairs.flatMap(([key, value]) => (key.kind === 'scalar' ? [[key.text, value] as const] : [])),
  )
  INDEXES.set(node, index)
  return index
}

/** The text of a scalar; `''` for null and for nodes that are no scalars. */
export function textOf(node: YAMLNode | undefined): string {
  if (node?.kind !== 'scalar') return ''
  return node.plain && /^(?:~|null|)$/i.test(node.text) ? '' : node.text
}

export function isDisabled(node: YAMLNode): boolean {
  const enabled = child(node, 'enabled')
  return enabled?.kind === 'scalar' && enabled.plain && enabled.text.toLowerCase() === 'false'
}

export interface ValuesOptions {
  readonly chart: ChartDescription
  /** Keys with the values of subcharts, which are read with those charts. */
  readonly below?: ReadonlySet<string>
}

/** The images in the order of the text, including repeated ones. It reads at most 100,000 nodes, 50 levels deep. */
export function* valuesImages(
  { node, file }: FiledNode,
  { chart, below = NONE }: ValuesOptions,
): Generator<FoundImage, void, void> {
  const global = child(node, 'global')
  const registry = textOf(child(global, 'imageRegistry')) || textOf(child(child(global, 'image'), 'registry'))
  const context = { chart, below, registry, left: MAX_STEPS }
  for (const named of walk(node, context, { depth: 0, file }))
    yield { ...named, foundIn: 'values', guess: true }
}

const NONE: ReadonlySet<string> = new Set()

interface Context extends Required<ValuesOptions> {
  readonly registry: string
  left: number
}

interface Spot {
  readonly depth: number
  readonly file: string
}

type Named = Pick<Required<FoundImage>, 'reference' | 'line' | 'file'>

function* walk(
  node: YAMLNode,
  context: Context,
  { depth, file: around }: Spot,
): Generator<Named, void, void> {
  if (context.left-- <= 0 || depth > MAX_DEPTH || node.kind === 'scalar') return
  const spot = { depth: depth + 1, file: fileOf(node, around) }
  if (node.kind === 'list') {
    for (const item of node.items) yield* walk(item, context, spot)
    return
  }
  if (depth > 0 && isDisabled(node)) return
  const own = depth > 0 && hasRepository(node) ? imageOf(node, context, around) : undefined
  if (own !== undefined) yield own
  for (const [key, value] of node.pairs) {
    const isBelow = depth === 0 && key.kind === 'scalar' && context.below.has(key.text)
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
  const isImage = key.kind === 'scalar' && IMAGE_KEY.test(key.text)
  if (isImage && value.kind === 'scalar') {
    // In {registry, image, tag}, `image` is the repository.
    const isPart = child(node, 'tag') !== undefined || child(node, 'registry') !== undefined
    const found =
      isPart && key.text === 'image' ? imageOf(node, context, spot.file) : plainImage(value, spot.file)
    if (!isNamed && found !== undefined) yield found
    return
  }
  if (
    isImage &&
    value.kind === 'map' &&
    !isDisabled(value) &&
    'repository' in keysOf(value) &&
    !hasRepository(value)
  ) {
    const found = imageOf(value, context, spot.file)
    if (found !== undefined) yield found
  }
  yield* walk(value, context, spot)
}

function keysOf(node: MapNode): Readonly<Record<string, true>> {
  return Object.fromEntries(node.pairs.map(([key]) => [key.kind === 'scalar' ? key.text : '', true]))
}

function hasRepository(node: MapNode): boolean {
  const keys = keysOf(node)
  return (
    textOf(child(node, 'repository')) !== '' && ('tag' in keys || 'digest' in keys || 'pullPolicy' in keys)
  )
}

function plainImage(value: YAMLNode, around: string): Named | undefined {
  const reference = textOf(value)
  // A single word is more often a switch than an image.
  return /[/:]/.test(reference) ? { reference, line: value.line, file: fileOf(value, around) } : undefined
}

function imageOf(node: MapNode, { chart, registry }: Context, around: string): Named | undefined {
  const part = (name: string): string => textOf(child(node, name))
  const repository = part('repository') || part('image') || chart.name
  const host = part('registry') || registry
  const tag = part('tag') || chart.appVersion
  const digest = part('digest')
  if (repository === '') return undefined
  const name =
    host === '' || HAS_DOMAIN.test(repository) ? repository : `${host.replace(/\/$/, '')}/${repository}`
  const tagged = tag === '' || /:[^/]*$/.test(name) ? name : `${name}:${tag}`
  const reference = digest === '' ? tagged : `${tagged}@${digest}`
  return { reference, line: node.line, file: fileOf(node, around) }
}

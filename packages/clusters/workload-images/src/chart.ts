/**
 * Images of a Helm chart, from its files alone or from what `helm template` made of it.
 *
 * @module
 */

import { type YAMLNode, yamlDocuments } from '@pipelayer/yaml'
import { toTable } from './chart-context.js'
import {
  type ChartFile,
  ChartTemplates,
  type TemplatedChart,
  type TemplatesResult,
} from './chart-templates.js'
import { type ChartDescription, type ValuesImage, valuesImages } from './chart-values.js'
import { child, textOf } from './fields.js'
import type { FoundImage } from './found.js'
import { sameName } from './full-name.js'
import { workloadImages } from './manifest.js'
import type { FiledNode } from './merge-values.js'

export interface ChartFiles {
  readonly chart: ChartFile
  readonly values: ChartFile | undefined
  /** The files of `templates/`, in order. */
  readonly templates: readonly ChartFile[]
}

/**
 * Guesses the images of a chart from its values and templates; each reference comes once. Some images may be missing,
 * and some may never be used.
 *
 * @throws ToolError `YAML_INVALID`, `YAML_TOO_LARGE` for `Chart.yaml` and `values.yaml`
 */
export function guessedImages({ chart, values, templates }: ChartFiles): readonly FoundImage[] {
  const node = values === undefined ? undefined : firstDocument(values)
  const filed = values === undefined || node === undefined ? undefined : { node, file: values.file }
  const set = new ChartTemplates(templates)
  const description = firstDocument(chart)
  return chartImages({ description, values: filed, table: toTable(node), templates }, set).found
}

/** A chart whose files are parsed. */
export interface ParsedChart extends Omit<TemplatedChart, 'values'> {
  /** The values that the chart is rendered with. */
  readonly values: FiledNode | undefined
  /** Keys of its values that hold the values of subcharts. */
  readonly below?: ReadonlySet<string>
}

/**
 * Does the same as {@link guessedImages} for a parsed chart.
 *
 * What the templates give decides about the values that they read, if all of it is known. Values that no template reads
 * are guesses all the same.
 */
export function chartImages(chart: ParsedChart, set: ChartTemplates): Omit<TemplatesResult, 'isWhole'> {
  const { description, values, templates, below } = chart
  const rendered = set.render({ ...chart, values: values?.node })
  const names = new Set(rendered.found.map(({ reference }) => sameName(reference)))
  const read = templates.map(file => set.pathsOf(file))
  const paths = new Set(read.flatMap(one => [...one]))
  const about = { chart: describe(description, templates), ...(below && { below }) }
  const guesses = values === undefined ? [] : [...valuesImages(values, about)]
  const kept = guesses.filter(guess => {
    return names.has(sameName(guess.reference)) || !rendered.isWhole || !isRead(guess, paths)
  })
  const found = [...kept.map(({ path: _, parts: __, ...image }) => image), ...rendered.found]
  return { found: withoutTwins(found), warnings: rendered.warnings }
}

/** Whether templates read all of an image in the values: the map as a whole, or its name and its tag. */
function isRead({ path, parts }: ValuesImage, paths: ReadonlySet<string>): boolean {
  if (paths.has('') || path.some((_, index) => paths.has(path.slice(0, index + 1).join('.')))) return true
  const has = (names: readonly string[]): boolean => names.some(name => paths.has([...path, name].join('.')))
  const tags = ['tag', 'version', 'imageTag', 'digest', 'sha']
  return has(['repository', 'image', 'name']) && (!tags.some(tag => parts.includes(tag)) || has(tags))
}

/**
 * Each reference once, its first finding. A name without a tag says nothing where the same name with a tag was found:
 * it is the other half of it.
 */
function withoutTwins(found: readonly FoundImage[]): readonly FoundImage[] {
  const first = new Map<string, FoundImage>()
  for (const image of found) {
    const name = sameName(image.reference)
    if (!first.has(name)) first.set(name, image)
  }
  const bare = (reference: string): string => reference.replace(/[:@][^/]*$/, '')
  const texts = [...first.values()].map(({ reference }) => reference)
  const tagged = new Set(texts.filter(text => bare(text) !== text).map(bare))
  return [...first.values()].filter(({ reference }) => !tagged.has(reference))
}

function describe(node: YAMLNode | undefined, templates: readonly ChartFile[]): ChartDescription {
  const appVersion = textOf(child(node, 'appVersion'))
  const isBare = /^\d/.test(appVersion) && templates.some(({ text }) => WRITES_V.test(text))
  return { name: textOf(child(node, 'name')), appVersion: isBare ? `v${appVersion}` : appVersion }
}

/** A template that writes a `v` before the appVersion. */
const WRITES_V =
  /"v%s"[ \t]{1,5}(?:\.|\$\w{0,50}\.)Chart\.AppVersion|[:"]v\{\{-?[ \t]{0,5}\$?\.Chart\.AppVersion/

/** The first document of a file; undefined if it has none. @throws ToolError `YAML_INVALID`, `YAML_TOO_LARGE` */
export function firstDocument({ text, file }: ChartFile): YAMLNode | undefined {
  for (const document of yamlDocuments(text, { file })) return document
  return undefined
}

const SOURCE = /^# Source: [^/\n]+\/(.+)$/gm

/**
 * Finds the images in the output of `helm template`. The output names the template that each document comes from, below
 * the chart's folder, and `file` has that name. There are no line numbers, because lines of the output are not those of
 * the template.
 *
 * @throws ToolError `YAML_INVALID`, `YAML_TOO_LARGE`, with lines of what helm wrote
 */
export function* renderedImages(text: string, chart: string): Generator<FoundImage, void, void> {
  const sources: { readonly file: string; readonly line: number }[] = []
  let line = 1
  let at = 0
  for (const { 1: file = '', index } of text.matchAll(SOURCE)) {
    for (let next = text.indexOf('\n', at); next >= 0 && next < index; next = text.indexOf('\n', at)) {
      at = next + 1
      line++
    }
    sources.push({ file, line })
  }
  for (const { line = 0, why, ...image } of workloadImages(text, `helm template ${chart}`)) {
    const source = lastUpTo(sources, line)
    const file = source === undefined ? chart : `${chart}/${source.file}`
    const foundIn = image.guess ? image.foundIn : 'chart'
    yield { ...image, file, foundIn, why: `${why}, as helm renders it` }
  }
}

/** The last item of a list, sorted by lines, that stands in this line or above. */
function lastUpTo<T extends { readonly line: number }>(list: readonly T[], line: number): T | undefined {
  let low = 0
  let high = list.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((list[middle]?.line ?? 0) <= line) low = middle + 1
    else high = middle
  }
  return list[low - 1]
}

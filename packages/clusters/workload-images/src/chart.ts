/**
 * Images of a Helm chart, from its files alone or from what `helm template` made of it.
 *
 * @module
 */

import { type YAMLNode, yamlDocuments } from '@pipelayer/yaml'
import { actionsOf } from './chart-actions.js'
import { type ChartDescription, child, textOf, valuesImages } from './chart-values.js'
import type { FoundImage } from './found.js'
import { manifestImages } from './manifest.js'
import type { FiledNode } from './merge-values.js'
import { templateImages } from './template-lines.js'

/** A file of a chart: its text, and its name in records. */
export interface ChartFile {
  readonly text: string
  readonly file: string
}

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
  return chartImages({ description: firstDocument(chart), values: filed, templates })
}

/** A chart whose files are parsed. */
export interface ParsedChart {
  /** The content of `Chart.yaml`. */
  readonly description: YAMLNode | undefined
  /** The values that the chart is rendered with. */
  readonly values: FiledNode | undefined
  readonly templates: readonly ChartFile[]
  /** Keys of its values that hold the values of subcharts. */
  readonly below?: ReadonlySet<string>
}

/** Does the same as {@link guessedImages} for a parsed chart. */
export function chartImages({ description, values, templates, below }: ParsedChart): readonly FoundImage[] {
  const chart = describe(description)
  const actions = actionsOf(values?.node, chart)
  const found = [
    ...(values === undefined ? [] : valuesImages(values, { chart, ...(below && { below }) })),
    ...templates.flatMap(({ text, file }) => [...templateImages(text, file, actions)]),
  ]
  return [...new Map(found.toReversed().map(one => [one.reference, one])).values()].toReversed()
}

function describe(node: YAMLNode | undefined): ChartDescription {
  return { name: textOf(child(node, 'name')), appVersion: textOf(child(node, 'appVersion')) }
}

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
  for (const { reference, line = 0 } of manifestImages(text, `helm template ${chart}`)) {
    const source = lastUpTo(sources, line)
    yield { reference, file: source === undefined ? chart : `${chart}/${source.file}`, foundIn: 'chart' }
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

/**
 * Finds the subcharts of a chart, each with the values that it is rendered with.
 *
 * A chart below `charts/` has its own values. The values that the chart above gives it under its name or alias override
 * them, and so does the `global` of the chart above. A dependency whose condition is false is left out.
 *
 * Spec: Helm, https://helm.sh/docs/chart_template_guide/subcharts_and_globals/ and /topics/charts/, "Chart
 * dependencies"; tags and import-values are not read
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import type { YAMLNode } from '@pipelayer/yaml'
import { type ChartFile, chartImages, firstDocument } from './chart.js'
import { child, textOf } from './chart-values.js'
import type { FoundImage } from './found.js'
import { type FiledNode, merged } from './merge-values.js'

/** How deep charts may be nested. Helm has no limit; deeper nesting is an attack. */
const MAX_DEPTH = 10
/** How many charts a chart may have in all. Aliases can make many from one. */
const MAX_CHARTS = 200

/** The file of a chart by its path below the chart's folder: `charts/a/values.yaml`. */
export interface ChartTexts {
  readonly names: readonly string[]
  file(name: string): ChartFile | undefined
}

/**
 * Guesses the images of a chart and its subcharts; those of the chart itself come first.
 *
 * @throws ToolError `YAML_INVALID`, `YAML_TOO_LARGE`, `CHART_INVALID` for charts nested deeper than ten levels or more
 *   than 200 of them
 */
export function chartTreeImages(texts: ChartTexts): readonly FoundImage[] {
  const tree = new ChartTree(texts)
  return tree.images({ root: '', given: undefined, depth: 0 })
}

interface One {
  /** The path of its folder: empty, or `charts/a/`. */
  readonly root: string
  /** The values that the chart above gives it. */
  readonly given: FiledNode | undefined
  readonly depth: number
}

class ChartTree {
  readonly #texts: ChartTexts
  readonly #documents = new Map<string, YAMLNode | undefined>()
  #count = 0

  constructor(texts: ChartTexts) {
    this.#texts = texts
  }

  images({ root, given, depth }: One): readonly FoundImage[] {
    const file = this.#texts.file(`${root}Chart.yaml`)
    if (file === undefined) return []
    if (depth > MAX_DEPTH || ++this.#count > MAX_CHARTS)
      throw new ToolError(
        'CHART_INVALID',
        `${file.file}: more than ${MAX_DEPTH} levels or ${MAX_CHARTS} charts`,
      )
    const description = this.#document(`${root}Chart.yaml`, file)
    const values = merged(this.#own(`${root}values.yaml`), given)
    const held = this.#held(root, description)
    const below = new Set(held.map(one => one.key))
    const own = chartImages({ description, values, below, templates: this.#templates(root) })
    const inside = held
      .filter(one => !isOff(values?.node, one.condition))
      .flatMap(one => this.images({ root: one.root, given: givenTo(values, one.key), depth: depth + 1 }))
    return [...own, ...inside]
  }

  #own(name: string): FiledNode | undefined {
    const values = this.#texts.file(name)
    const node = values === undefined ? undefined : this.#document(name, values)
    return values === undefined || node === undefined ? undefined : { node, file: values.file }
  }

  /** Parses a file once: because of aliases, a chart may be used many times. */
  #document(name: string, file: ChartFile): YAMLNode | undefined {
    if (!this.#documents.has(name)) this.#documents.set(name, firstDocument(file))
    return this.#documents.get(name)
  }

  #templates(root: string): readonly ChartFile[] {
    const names = this.#texts.names.filter(name => name.startsWith(`${root}templates/`))
    return names.flatMap(name => this.#texts.file(name) ?? [])
  }

  /**
   * The subcharts of a chart, as often as it lists them; one that it does not list counts once. Charts of
   * apiVersion v1 list them in requirements.yaml.
   */
  #held(root: string, description: YAMLNode | undefined): readonly Held[] {
    const all = [...dependencies(description), ...dependencies(this.#own(`${root}requirements.yaml`)?.node)]
    return this.#roots(root).flatMap((below): Held[] => {
      const name = textOf(child(this.#own(`${below}Chart.yaml`)?.node, 'name'))
      const uses = all.filter(one => one.name === name)
      if (uses.length === 0) return [{ root: below, key: name, condition: '' }]
      return uses.map(use => ({ root: below, key: use.alias || name, condition: use.condition }))
    })
  }

  #roots(root: string): readonly string[] {
    const folders = this.#texts.names.flatMap(name => {
      const rest = name.startsWith(`${root}charts/`) ? name.slice(root.length).split('/') : []
      return rest.length > 2 ? [`${root}charts/${rest[1]}/`] : []
    })
    return [...new Set(folders)]
  }
}

interface Held {
  readonly root: string
  /** The key under which the chart above gives it values. */
  readonly key: string
  readonly condition: string
}

interface Dependency {
  readonly name: string
  readonly alias: string
  readonly condition: string
}

function dependencies(description: YAMLNode | undefined): readonly Dependency[] {
  const list = child(description, 'dependencies')
  if (list?.kind !== 'list') return []
  return list.items.map(item => ({
    name: textOf(child(item, 'name')),
    alias: textOf(child(item, 'alias')),
    condition: textOf(child(item, 'condition')),
  }))
}

/**
 * Whether a condition turns a chart off: the first of its paths that is true or false in the values decides. If none
 * is, the chart is on.
 */
function isOff(values: YAMLNode | undefined, condition: string): boolean {
  for (const path of condition.split(',')) {
    const node = path
      .trim()
      .split('.')
      .reduce<YAMLNode | undefined>((at, name) => child(at, name), values)
    const text = node?.kind === 'scalar' && node.plain ? node.text.toLowerCase() : ''
    if (text === 'true' || text === 'false') return text === 'false'
  }
  return false
}

function givenTo(values: FiledNode | undefined, key: string): FiledNode | undefined {
  if (values === undefined) return undefined
  const own = child(values.node, key)
  const global = child(values.node, 'global')
  const given = own === undefined ? undefined : { node: own, file: values.file }
  if (global === undefined) return given
  const line = global.line
  const name: YAMLNode = { kind: 'scalar', text: 'global', plain: true, line }
  const shared: FiledNode = { node: { kind: 'map', pairs: [[name, global]], line }, file: values.file }
  return merged(given, shared)
}

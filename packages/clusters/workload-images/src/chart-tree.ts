/**
 * Finds the subcharts of a chart, each with the values that it is rendered with.
 *
 * A chart below `charts/` has its own values. The values that the chart above gives it under its name or alias override
 * them, and so does the `global` of the chart above. A dependency whose condition or tags are false is left out, and one
 * that is listed and not there is warned of.
 *
 * Spec: Helm, https://helm.sh/docs/chart_template_guide/subcharts_and_globals/; import-values are not read
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import type { Value } from '@pipelayer/go-template'
import type { YAMLNode } from '@pipelayer/yaml'
import { chartImages, firstDocument } from './chart.js'
import { toTable } from './chart-context.js'
import { type ChartFile, ChartTemplates, type ChartWarning } from './chart-templates.js'
import { type Dependency, dependenciesOf, isLeftOut } from './dependencies.js'
import { child, textOf } from './fields.js'
import type { FoundImage } from './found.js'
import { type FiledNode, merged } from './merge-values.js'

/** How deep charts may be nested. Helm has no limit; deeper nesting is an attack. */
const MAX_DEPTH = 10
/** How many charts a chart may have in all. Aliases can make many from one. */
const MAX_CHARTS = 200

/** The files of a chart by their paths below the chart's folder, such as `charts/a/values.yaml`. */
export interface ChartTexts {
  readonly names: readonly string[]
  file(name: string): ChartFile | undefined
}

export interface ChartFindings {
  readonly found: readonly FoundImage[]
  readonly warnings: readonly ChartWarning[]
}

/**
 * Guesses the images of a chart and its subcharts; those of the chart itself come first.
 *
 * @throws ToolError `YAML_INVALID`, `YAML_TOO_LARGE`, `CHART_INVALID` for charts nested deeper than ten levels or more
 *   than 200 of them
 */
export function chartTreeImages(texts: ChartTexts): ChartFindings {
  const tree = new ChartTree(texts)
  const found = tree.images({ root: '', given: undefined, depth: 0 })
  return { found, warnings: tree.warnings }
}

/**
 * Says which dependencies of a chart are listed and not there. Helm does not render such a chart.
 *
 * @throws ToolError as {@link chartTreeImages}
 */
export function missingDependencies(texts: ChartTexts): readonly ChartWarning[] {
  return new ChartTree(texts).missing('')
}

interface One {
  /** The path of its folder: empty, or `charts/a/`. */
  readonly root: string
  /** The values that the chart above gives it. */
  readonly given: FiledNode | undefined
  readonly depth: number
}

/** A subchart, and how the chart above uses it. */
interface Held extends Pick<Dependency, 'condition' | 'tags'> {
  readonly root: string
  /** The key under which the chart above gives it values. */
  readonly key: string
}

class ChartTree {
  readonly warnings: ChartWarning[] = []
  readonly #texts: ChartTexts
  readonly #documents = new Map<string, YAMLNode | undefined>()
  #templates: ChartTemplates | undefined
  #top: YAMLNode | undefined
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
    if (depth === 0) this.#top = values?.node
    const held = this.#held(root)
    const known = { values: values?.node, top: this.#top }
    const used = held.filter(one => !isLeftOut(one, known))
    const inside = used.flatMap(one => {
      return this.images({ root: one.root, given: givenTo(values, one.key), depth: depth + 1 })
    })
    this.#warn(this.missing(root))
    const isLibrary = textOf(child(description, 'type')) === 'library'
    const templates = isLibrary ? [] : this.#filesBelow(`${root}templates/`)
    const below = new Set(held.map(one => one.key))
    const table = this.#tableOf(values, { used, depth })
    this.#templates ??= new ChartTemplates(this.#inOrder())
    const { found, warnings } = chartImages({ description, values, below, table, templates }, this.#templates)
    this.#warn(warnings)
    return [...found, ...inside]
  }

  missing(root: string): readonly ChartWarning[] {
    const names = new Set(this.#roots(root).map(below => this.#nameOf(below)))
    const chart = this.#nameOf(root)
    return this.#listed(root)
      .filter(({ name }) => name !== '' && !names.has(name))
      .map(({ name, line, file }) => ({
        code: 'CHART_INCOMPLETE',
        message: `${file}:${line}: ${name}, on which the chart ${chart} depends, is not in its charts/: its images are missing; "helm dependency build" brings it`,
      }))
  }

  /** A chart that is used twice is warned of once. */
  #warn(warnings: readonly ChartWarning[]): void {
    const known = new Set(this.warnings.map(({ message }) => message))
    this.warnings.push(...warnings.filter(({ message }) => !known.has(message)))
  }

  #nameOf(root: string): string {
    return textOf(child(this.#own(`${root}Chart.yaml`)?.node, 'name'))
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

  /** The values as templates see them: those of a subchart stand under its key, with its own defaults. */
  #tableOf(
    values: FiledNode | undefined,
    { used, depth }: { readonly used: readonly Held[]; readonly depth: number },
  ): ReadonlyMap<string, Value> {
    const table = toTable(values?.node)
    for (const { root, key } of used)
      table.set(key, toTable(merged(this.#own(`${root}values.yaml`), givenTo(values, key))?.node))
    if (depth > 0 && table.get('global') === undefined) table.set('global', new Map())
    return table
  }

  #filesBelow(folder: string): readonly ChartFile[] {
    return this.#texts.names
      .filter(name => name.startsWith(folder))
      .flatMap(name => this.#texts.file(name) ?? [])
  }

  /** All templates in the order of helm, which reads the deepest first, so that those of the chart above win. */
  #inOrder(): readonly ChartFile[] {
    const depthOf = (name: string): number => name.split('/').length
    const names = this.#texts.names.filter(name => /(?:^|\/)templates\//.test(name))
    const sorted = names.toSorted((a, b) => depthOf(b) - depthOf(a))
    return sorted.flatMap(name => this.#texts.file(name) ?? [])
  }

  /** The dependencies that a chart lists. Charts of apiVersion v1 list them in requirements.yaml. */
  #listed(root: string): readonly (Dependency & { readonly file: string })[] {
    return ['Chart.yaml', 'requirements.yaml'].flatMap(name => {
      const own = this.#own(`${root}${name}`)
      return own === undefined ? [] : dependenciesOf(own.node).map(one => ({ ...one, file: own.file }))
    })
  }

  /** The subcharts of a chart, as often as it lists them; one that it does not list counts once. */
  #held(root: string): readonly Held[] {
    const all = this.#listed(root)
    return this.#roots(root).flatMap((below): Held[] => {
      const name = this.#nameOf(below)
      const uses = all.filter(one => one.name === name)
      if (uses.length === 0) return [{ root: below, key: name, condition: '', tags: [] }]
      return uses.map(({ alias, ...use }) => ({ ...use, root: below, key: alias || name }))
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

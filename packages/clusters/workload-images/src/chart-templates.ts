/**
 * Renders the templates of a chart without helm, and finds the images in what they give.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import {
  expressionsOf,
  HOLE,
  isLimit,
  type ParsedTemplate,
  parseTemplate,
  Renderer,
  type Value,
} from '@pipelayer/go-template'
import type { YAMLNode } from '@pipelayer/yaml'
import { contextOf } from './chart-context.js'
import type { FoundImage } from './found.js'
import { helmFunctions } from './helm-functions.js'
import { workloadImages } from './manifest.js'
import { isUnguarded } from './switches.js'
import { templateImages } from './template-lines.js'

/** A file of a chart: its text, and its name in records. */
export interface ChartFile {
  readonly text: string
  readonly file: string
}

/** What is told besides images. */
export interface ChartWarning {
  readonly code: string
  /** With file and line. */
  readonly message: string
}

/** A chart whose templates are rendered. */
export interface TemplatedChart {
  readonly description: YAMLNode | undefined
  readonly values: YAMLNode | undefined
  /** The same values for templates, with those of its subcharts. */
  readonly table: ReadonlyMap<string, Value>
  readonly templates: readonly ChartFile[]
}

export interface TemplatesResult {
  readonly found: readonly FoundImage[]
  /** Every template was rendered, and no image in them depends on something unknown. */
  readonly isWhole: boolean
  readonly warnings: readonly ChartWarning[]
}

/** The templates of a chart and its subcharts, which share their names. */
export class ChartTemplates {
  readonly #renderer: Renderer
  /** How often a part of a template was lost. */
  #losses = 0
  readonly #parsed = new Map<string, ParsedTemplate | ToolError>()

  /** @param files - in the order in which helm reads them: of templates with the same name, the last one counts */
  constructor(files: readonly ChartFile[]) {
    const onLoss = (): void => void this.#losses++
    this.#renderer = new Renderer({ functions: helmFunctions(onLoss), onLoss })
    for (const file of files) {
      const parsed = parsedOrError(file)
      this.#parsed.set(file.file, parsed)
      if (parsed instanceof ToolError) continue
      this.#renderer.define(parsed)
      // A template as a whole has its path for a name, so that others can take a checksum of it.
      this.#renderer.define({ defines: new Map([[file.file, parsed.nodes]]) })
    }
  }

  /** The paths into the values that a template reads: `image.tag` for `.Values.image.tag`, `''` for all values at once. */
  pathsOf(file: ChartFile): ReadonlySet<string> {
    const parsed = this.#parsed.get(file.file)
    if (parsed === undefined || parsed instanceof ToolError) return new Set()
    const paths = new Set<string>()
    for (const expression of expressionsOf(parsed)) {
      const fields = 'fields' in expression ? expression.fields : []
      const at = fields.indexOf('Values')
      if (at >= 0) paths.add(fields.slice(at + 1).join('.'))
    }
    return paths
  }

  /** The images of a chart's own templates. Partial templates, `_*`, are rendered only where others call them. */
  render(chart: TemplatedChart): TemplatesResult {
    const found: FoundImage[] = []
    const warnings: ChartWarning[] = []
    let isWhole = true
    for (const template of chart.templates) {
      const isPartial = template.file.replace(/^.*\//, '').startsWith('_')
      const isBroken = this.#parsed.get(template.file) instanceof ToolError
      if (isPartial && !isBroken) continue
      const result = this.#renderOne(template, chart)
      const rows = template.text.split('\n')
      const reads = { values: chart.values, paths: this.pathsOf(template) }
      found.push(...result.found.filter(({ line = 0 }) => !isUnguarded(rows[line - 1] ?? '', reads)))
      warnings.push(...result.warnings)
      isWhole &&= result.isWhole
    }
    return { found, isWhole, warnings }
  }

  #renderOne(template: ChartFile, { table, description }: TemplatedChart): TemplatesResult {
    const parsed = this.#parsed.get(template.file) ?? parsedOrError(template)
    const context = contextOf(table, description, template.file)
    if (parsed instanceof ToolError) return this.#byLine(template, context, parsed)
    const losses = this.#losses
    try {
      const result = imagesOf(this.#renderer.render(parsed, context), template.file)
      return { ...result, isWhole: result.isWhole && losses === this.#losses }
    } catch (error) {
      if (!isLimit(error)) throw error
      const message = `${template.file}: its templates want ${error.message}`
      return this.#byLine(template, context, new ToolError('TEMPLATE_TOO_LARGE', message))
    }
  }

  /** The images of single lines, where the template as a whole cannot be rendered. */
  #byLine(template: ChartFile, context: Value, { code, message }: ToolError): TemplatesResult {
    const valueOfAction = (action: string): string | undefined => {
      try {
        const { text } = this.#renderer.render(parseTemplate(`{{ ${action} }}`, template.file), context)
        return text.includes(HOLE) ? undefined : text
      } catch {
        return undefined
      }
    }
    const found = [...templateImages(template.text, template.file, valueOfAction)]
    const warning = { code, message: `${message}: its image lines are read one by one` }
    return { found, isWhole: false, warnings: [warning] }
  }
}

function parsedOrError({ text, file }: ChartFile): ParsedTemplate | ToolError {
  try {
    return parseTemplate(text, file)
  } catch (error) {
    if (error instanceof ToolError) return error
    throw error
  }
}

/** The images of a rendered template, with the lines of the template. */
function imagesOf(
  { text, lines }: { readonly text: string; readonly lines: readonly (number | undefined)[] },
  file: string,
): TemplatesResult {
  const rows = text.split('\n')
  const isWhole = !rows.some(isOpen)
  const found: FoundImage[] = []
  for (const { start, end } of documentsOf(rows)) {
    for (const image of documentImages(rows.slice(start, end).join('\n'), file)) {
      if (image.reference.includes(HOLE) || /[:@/]$/.test(image.reference)) continue
      const line = lines[start + (image.line ?? 1) - 1]
      const foundIn = image.foundIn === 'container' || image.foundIn === 'image' ? 'template' : image.foundIn
      const why = image.foundIn === foundIn ? image.why : `${image.why}, as the template gives it`
      found.push({ ...image, foundIn, guess: true, ...(why && { why }), ...(line && { line }) })
    }
  }
  return { found, isWhole, warnings: [] }
}

/** Whether something unknown in a line may hide an image: a part of one, or a block of lines. */
function isOpen(row: string): boolean {
  return row.includes(HOLE) && (/image/i.test(row) || /^[\s"'-]*$/.test(row.replaceAll(HOLE, '')))
}

interface Extent {
  readonly start: number
  readonly end: number
}

function* documentsOf(rows: readonly string[]): Generator<Extent, void, void> {
  let start = 0
  for (const [index, row] of rows.entries()) {
    if (!/^---(?:\s|$)/.test(row)) continue
    if (index > start) yield { start, end: index }
    start = index
  }
  yield { start, end: rows.length }
}

/** A document with holes in it may be no YAML any more; its lines still show its images. */
function documentImages(text: string, file: string): readonly FoundImage[] {
  try {
    return [...workloadImages(text, file)]
  } catch (error) {
    if (error instanceof ToolError) return [...templateImages(text, file)]
    throw error
  }
}

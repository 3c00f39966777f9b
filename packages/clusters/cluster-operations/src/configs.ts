/**
 * The files of an image that a host gets in another form: templates filled with its variables, and documents of kind
 * Config.
 *
 * @module
 */

import { type ClusterHost, type ConfigFile, mergeVariables } from '@pipelayer/clusterfile'
import { ToolError } from '@pipelayer/errors'
import { formatYAML, valueOf, yamlDocuments } from '@pipelayer/yaml'
import { type PlanContext, rootfsOf } from './context.js'
import { fillTemplate } from './template.js'

/** Where templates are looked for. Spec: sealerio/sealer v0.7.1, pkg/filesystem. */
const TEMPLATES = /^(etc|charts|manifests)\/.*\.tmpl$/

type Value = Readonly<Record<string, unknown>>

/**
 * The files for one host, in the order of their paths.
 *
 * @throws ToolError `TEMPLATE_INVALID`; `CONFIG_INVALID` where data cannot be merged into a file
 */
export function settingsFor(
  context: PlanContext,
  host: ClusterHost,
): readonly { readonly path: string; readonly content: string }[] {
  const { image, cluster } = context
  const variables = mergeVariables(image.variables, host.variables)
  const texts = new Map<string, string>()
  for (const [path, text] of image.files)
    if (TEMPLATES.test(path)) texts.set(path.replace(/\.tmpl$/, ''), fillTemplate(text, variables, path))
  for (const config of cluster.documents.configs)
    texts.set(config.path, configured(config, texts.get(config.path) ?? image.files.get(config.path)))
  const root = rootfsOf(context)
  return [...texts]
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([path, content]) => ({ path: `${root}/${path}`, content }))
}

function configured({ path, strategy, data, name }: ConfigFile, text: string | undefined): string {
  if (strategy === 'overwrite' || text === undefined) return data
  const [own, given] = [only(text, path), only(data, `Config ${name}`)]
  return formatYAML(merged(own, given))
}

function only(text: string, file: string): Value {
  const [node, more] = yamlDocuments(text, { file })
  const value = node === undefined ? {} : valueOf(node, file)
  if (more !== undefined || !isMap(value))
    throw new ToolError(
      'CONFIG_INVALID',
      `${file}: data is merged into one document with fields: use strategy overwrite`,
    )
  return value
}

/** Maps are merged field by field; anything else of `given` takes the place of what is there. */
export function merged(own: Value, given: Value): Value {
  const result: Record<string, unknown> = { ...own }
  for (const [name, value] of Object.entries(given)) {
    const before = result[name]
    result[name] = isMap(before) && isMap(value) ? merged(before, value) : value
  }
  return result
}

function isMap(value: unknown): value is Value {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Finds the type of an application of a Kubefile by the names of its files.
 *
 * Spec: sealerio/sealer v0.11.0, build/kubefile/parser/utils.go
 *
 * @module
 */

export type ApplicationType = 'helm' | 'kube' | 'shell' | ''

/** A source of APP, CNI or CSI. */
export interface ApplicationSource {
  readonly name: string
  /** For a directory: the files below it, with `/` between components, in byte order. Undefined for a file. */
  readonly files?: readonly string[]
}

const CHART = ['Chart.yaml', 'values.yaml', 'templates']

/**
 * `helm` where a source, or all sources together, are a chart; else `kube` or `shell` where every file is YAML or a
 * script; else empty: the type is unknown, and the Kubefile must give the application's commands.
 */
export function applicationType(sources: readonly ApplicationSource[]): ApplicationType {
  if (isChart(sources)) return 'helm'
  const types = new Set(sources.flatMap(source => (source.files ?? [source.name]).map(fileType)))
  const [only] = types
  return types.size === 1 && only !== undefined ? only : ''
}

/** The files in the command that starts the application. For scripts only the first source counts. */
export function launchFiles(
  app: { readonly name: string; readonly type: ApplicationType },
  sources: readonly ApplicationSource[],
): readonly string[] {
  if (app.type === '') return []
  if (app.type === 'helm') return [app.name]
  const counted = app.type === 'shell' ? sources.slice(0, 1) : sources
  return counted.flatMap(source => source.files ?? [baseName(source.name)])
}

function isChart(sources: readonly ApplicationSource[]): boolean {
  const parts = new Set<string>()
  for (const { name, files } of sources) {
    const inside = new Set(files?.map(file => file.replace(/\/.*$/s, '')))
    if (CHART.every(part => inside.has(part))) return true
    const base = baseName(name)
    if (CHART.includes(base)) parts.add(base)
  }
  return parts.size === CHART.length
}

function fileType(name: string): ApplicationType {
  const base = baseName(name).toLowerCase()
  if (base.endsWith('.sh')) return 'shell'
  return base.endsWith('.yaml') || base.endsWith('.yml') ? 'kube' : ''
}

function baseName(name: string): string {
  const plain = name.replace(/\/+$/, '')
  return plain.slice(plain.lastIndexOf('/') + 1)
}

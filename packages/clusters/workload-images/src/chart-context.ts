/**
 * What the templates of a chart see: its values, its description, the release and the cluster.
 *
 * @module
 */

import { type Method, UNKNOWN, type Value } from '@pipelayer/go-template'
import type { YAMLNode, YAMLPair } from '@pipelayer/yaml'
import { child, textOf } from './fields.js'

/** The version of the cluster that `helm template` assumes depends on helm's own; this is a recent one. */
const KUBERNETES = { major: '1', minor: '31', version: 'v1.31.0' }
const HELM = 'v3.16.0'
/** The release that charts are rendered for, as sealer names it. */
const RELEASE = 'dryrun'
/** The groups of APIs that every cluster has. A chart asks for others to find out what is installed. */
const GROUPS = new Set([
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'apiregistration.k8s.io',
  'apps',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'coordination.k8s.io',
  'discovery.k8s.io',
  'events.k8s.io',
  'networking.k8s.io',
  'node.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'scheduling.k8s.io',
  'storage.k8s.io',
])

/**
 * @param values - those that the chart is rendered with
 * @param description - the content of Chart.yaml
 * @param template - the path of the template below the folder that holds the chart
 */
export function contextOf(
  values: ReadonlyMap<string, Value>,
  description: YAMLNode | undefined,
  template: string,
): ReadonlyMap<string, Value> {
  return tableOf({
    Values: values,
    Chart: chartTable(description),
    Release: tableOf({
      Name: RELEASE,
      Namespace: 'default',
      Service: 'Helm',
      IsInstall: true,
      IsUpgrade: false,
      Revision: 1n,
    }),
    Capabilities: tableOf({
      KubeVersion: tableOf({
        Version: KUBERNETES.version,
        GitVersion: KUBERNETES.version,
        Major: KUBERNETES.major,
        Minor: KUBERNETES.minor,
      }),
      HelmVersion: tableOf({ Version: HELM }),
      APIVersions: tableOf({ Has: hasVersion }),
    }),
    Template: tableOf({ Name: template, BasePath: template.replace(/\/templates\/.*$/, '/templates') }),
    Files: tableOf({ Get: unknown, GetBytes: unknown, Glob: unknown, Lines: unknown, AsConfig: unknown }),
    Subcharts: new Map(),
  })
}

const unknown: Method = () => UNKNOWN

const hasVersion: Method = ([text]) => {
  if (typeof text !== 'string') return UNKNOWN
  const [group = '', version] = text.split('/')
  return version === undefined ? group === 'v1' : GROUPS.has(group)
}

function tableOf(fields: Readonly<Record<string, Value>>): ReadonlyMap<string, Value> {
  return new Map(Object.entries(fields))
}

/** Helm gives the fields of Chart.yaml with a capital letter, and versions as texts. */
function chartTable(description: YAMLNode | undefined): ReadonlyMap<string, Value> {
  const table = toTable(description)
  const fields = [...table].map(
    ([key, value]) => [key.replace(/^./, one => one.toUpperCase()), value] as const,
  )
  const texts = ['name', 'version', 'appVersion', 'kubeVersion'].map(key => {
    return [key.replace(/^./, one => one.toUpperCase()), textOf(child(description, key))] as const
  })
  return new Map<string, Value>([...fields, ...texts, ['IsRoot', true]])
}

/** A map of YAML as one of templates; an empty one for any other node. */
export function toTable(node: YAMLNode | undefined): Map<string, Value> {
  const value = node === undefined ? undefined : new Conversion().value(node, 0)
  return value instanceof Map ? value : new Map()
}

const WORDS: ReadonlyMap<string, Value> = new Map<string, Value>([
  ...['', '~', 'null', 'Null', 'NULL'].map(word => [word, undefined] as const),
  ...['true', 'True', 'TRUE', 'yes', 'Yes', 'YES', 'on', 'On', 'ON'].map(word => [word, true] as const),
  ...['false', 'False', 'FALSE', 'no', 'No', 'NO', 'off', 'Off', 'OFF'].map(word => [word, false] as const),
])
/** Aliases can nest values deeper than any text does. */
const MAX_DEPTH = 100
const NUMBER = /^[-+]?(?:\d+|\d*\.\d+|\d+\.\d*)(?:[eE][-+]?\d+)?$/

/** An alias becomes the value that it names, so that aliases cost nothing. */
class Conversion {
  readonly #known = new Map<YAMLNode, Value>()

  value(node: YAMLNode, depth: number): Value {
    if (node.kind === 'scalar') return scalarValue(node)
    if (depth > MAX_DEPTH) return UNKNOWN
    if (!this.#known.has(node)) this.#known.set(node, this.#collection(node, depth + 1))
    return this.#known.get(node)
  }

  #collection(node: Exclude<YAMLNode, { kind: 'scalar' }>, depth: number): Value {
    if (node.kind === 'list') return node.items.map(item => this.value(item, depth))
    const map = new Map<string, Value>()
    for (const [, source] of node.pairs.filter(isMerge)) {
      // The first of several maps takes precedence, so it goes last.
      const sources = source.kind === 'list' ? source.items.toReversed() : [source]
      for (const one of sources.map(item => this.value(item, depth))) if (one instanceof Map) addAll(map, one)
    }
    for (const [key, item] of node.pairs)
      if (key.kind === 'scalar' && !isMerge([key, item])) map.set(key.text, this.value(item, depth))
    return map
  }
}

function addAll(target: Map<string, Value>, source: ReadonlyMap<string, Value>): void {
  for (const [key, value] of source) target.set(key, value)
}

function isMerge([key]: YAMLPair): boolean {
  return key.kind === 'scalar' && key.plain && key.text === '<<'
}

function scalarValue({ text, plain }: Extract<YAMLNode, { kind: 'scalar' }>): Value {
  if (!plain) return text
  if (WORDS.has(text)) return WORDS.get(text)
  const number = Number(text)
  return NUMBER.test(text) && Math.abs(number) <= Number.MAX_SAFE_INTEGER ? number : text
}

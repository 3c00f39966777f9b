/**
 * Checks sealer's plugins: files of YAML in the folder `plugins` of a cluster image.
 *
 *     kind: Plugin
 *     spec: {type: SHELL, action: PostInstall, on: master, data: ...}
 *
 * Spec: sealerio/sealer v0.7.1, pkg/plugin; v0.11.0, pkg/cluster-runtime/hook.go
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { type YAMLNode, yamlDocuments } from '@pipelayer/yaml'

/** Types of sealer 0.7; of these, later versions know SHELL alone. */
const TYPES = ['SHELL', 'LABEL', 'Taint', 'HOSTNAME', 'ETCD', 'CLUSTERCHECK']
/** When a plugin runs: first the words of sealer 0.7, then those of 0.9 and later. */
const ACTIONS = ['Originally', 'PreInit', 'PreInstall', 'PreGuest', 'PostInstall', 'PostClean']
const LATER_ACTIONS = [
  'pre-install',
  'post-install',
  'pre-uninstall',
  'post-uninstall',
  'pre-scaleup',
  'post-scaleup',
  'upgrade',
  'rollback',
  'pre-init-host',
  'post-init-host',
  'pre-clean-host',
  'post-clean-host',
  'upgrade-host',
]
/** How many documents of one file are read. */
const MAX_DOCUMENTS = 1000

/** A file of the context. */
export interface ContextFile {
  /** Below the context. */
  readonly name: string
  readonly text: string
}

/** Finds the files that a source of COPY stands for. */
export type FileFinder = (source: string) => readonly ContextFile[]

/** Something wrong with a plugin. */
export interface PluginProblem {
  /** `FILE:LINE: what is wrong`. */
  readonly message: string
}

/** Whether a file of the folder `plugins` is read by sealer. */
export function isPluginFile(name: string): boolean {
  return /\.ya?ml$/i.test(name)
}

/**
 * What is wrong with the plugins of a file, document by document: one that is broken does not hide the others.
 *
 * ```ts
 * pluginProblems('kind: Plugin\nspec: {type: NOPE}', 'plugins/a.yaml').map(({ message }) => message)
 * ```
 */
export function pluginProblems(text: string, file: string): readonly PluginProblem[] {
  const problems: PluginProblem[] = []
  let count = 0
  for (const document of documents(text)) {
    if (++count > MAX_DOCUMENTS) {
      problems.push({
        message: `${file}: of more than ${MAX_DOCUMENTS} documents, the others are not checked`,
      })
      break
    }
    problems.push(...documentProblems(document, file))
  }
  return problems
}

interface Document {
  readonly text: string
  /** Of its first character, from 0. */
  readonly line: number
}

function* documents(text: string): Generator<Document, void, void> {
  let start = 0
  const rows = text.split('\n')
  for (const [index, row] of rows.entries()) {
    if (index === start || !/^---(?:\s|$)/.test(row)) continue
    yield { text: rows.slice(start, index).join('\n'), line: start }
    start = index
  }
  yield { text: rows.slice(start).join('\n'), line: start }
}

function documentProblems({ text, line }: Document, file: string): readonly PluginProblem[] {
  try {
    return [...yamlDocuments(text, { file })].flatMap(node => {
      const at = (one: YAMLNode): string => `${file}:${one.line + line}`
      return isPlugin(node) ? specProblems(node, at) : []
    })
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    // The parser counts the lines of this document alone.
    const message = error.message.replace(`${file}:`, '').replace(/^\d+/, own => String(Number(own) + line))
    return [{ message: `${file}:${message}` }]
  }
}

function isPlugin(node: YAMLNode): boolean {
  return textOf(field(node, 'kind')) === 'Plugin'
}

function specProblems(node: YAMLNode, at: (node: YAMLNode) => string): readonly PluginProblem[] {
  const spec = field(node, 'spec')
  const [type, action] = [field(spec, 'type'), field(spec, 'action')]
  const name = textOf(field(field(node, 'metadata'), 'name'))
  const which = name === '' ? 'a plugin' : `the plugin ${name}`
  const problems: PluginProblem[] = []
  if (!TYPES.includes(textOf(type)))
    problems.push({
      message: `${at(type ?? node)}: ${which} has ${said(type, 'type')}: expected ${TYPES.join(', ')}`,
    })
  const words = textOf(action).split('|')
  const isKnown = ACTIONS.includes(textOf(action)) || words.every(word => LATER_ACTIONS.includes(word.trim()))
  if (!isKnown)
    problems.push({
      message: `${at(action ?? node)}: ${which} has ${said(action, 'action')}: expected ${ACTIONS.join(', ')}, or an action of sealer 0.9 such as post-install`,
    })
  return problems
}

function said(node: YAMLNode | undefined, what: string): string {
  const text = textOf(node)
  return text === '' ? `no ${what}` : `the unknown ${what} ${JSON.stringify(text.slice(0, 50))}`
}

function field(node: YAMLNode | undefined, name: string): YAMLNode | undefined {
  if (node?.kind !== 'map') return undefined
  return node.pairs.findLast(([key]) => key.kind === 'scalar' && key.text === name)?.[1]
}

function textOf(node: YAMLNode | undefined): string {
  return node?.kind === 'scalar' ? node.text : ''
}

/**
 * The rules that apply to a Kubefile, which are those about names and words. Its instructions do other things than
 * Docker's, so the rules on variables, paths, packages and commands are left out.
 *
 * @module
 */

import type { Collector } from './collector.js'
import type { LintInstruction } from './instruction.js'
import { checkKeywords } from './names.js'
import { type FileFinder, isPluginFile, pluginProblems } from './plugins.js'
import { checkPinned } from './practices.js'
import { checkSecretFiles, checkSecretLiterals, checkSecretName } from './secrets.js'
import { keywordOf } from './stages.js'
import { checkSyntax } from './syntax.js'
import { checkPairs } from './walk.js'

export function lintKubefile(
  list: readonly LintInstruction[],
  collector: Collector,
  files: FileFinder = () => [],
): void {
  checkKeywords(list, collector)
  const stages = new Set<string | undefined>()
  for (const fields of list) {
    checkSyntax(fields, collector)
    checkSecretLiterals(fields, collector)
    // The base may be an earlier stage, which needs no tag.
    if (fields.name !== 'FROM' || !stages.has(fields.args[0])) checkInstruction(fields, collector)
    if (fields.name === 'FROM') stages.add(fields.args[2])
    if (fields.name === 'COPY') checkPlugins(fields, collector, files)
  }
}

/** sealer reads plugins from the folder `plugins` of the image, and from no other. */
function checkPlugins(fields: LintInstruction, collector: Collector, files: FileFinder): void {
  const sources = fields.args.slice(0, -1)
  const target = pathOf(fields.args.at(-1) ?? '')
  for (const source of sources) {
    const base = pathOf(source).replace(/^.*\//, '')
    const isHere = target === '' || target === base
    if (target === 'plugin' || (isHere && base === 'plugin'))
      collector.report(
        'PluginFolder',
        fields,
        `sealer reads plugins from plugins/, not from plugin/: ${source}`,
      )
    const isWhole = target === '' && (base === '' || base === '.')
    if (target !== 'plugins' && !target.startsWith('plugins/') && !(isHere && base === 'plugins') && !isWhole)
      continue
    const found = files(isWhole ? `${source}/plugins` : source)
    for (const { name, text } of found.filter(file => isPluginFile(file.name)))
      for (const { message } of pluginProblems(text, name)) collector.report('PluginInvalid', fields, message)
  }
}

/** A path below the root of the image, without dots and slashes at its ends. */
function pathOf(text: string): string {
  return text
    .split('/')
    .filter(part => part !== '' && part !== '.')
    .join('/')
}

function checkInstruction(fields: LintInstruction, collector: Collector): void {
  const { name, args } = fields
  if (name === 'FROM') checkPinned(fields, args[0] ?? '', collector)
  if (name === 'COPY' || name === 'ADD') checkSecretFiles(fields, args.slice(0, -1), collector)
  if (name === 'ENV' || name === 'LABEL') {
    checkPairs({ fields, keyword: keywordOf(fields.raw) }, { collector })
  }
  if (name === 'ENV')
    for (let at = 0; at < args.length; at += 3) checkName(['ENV', args[at]], fields, collector)
  if (name === 'ARG') for (const arg of args) checkName(['ARG', arg.split('=', 1)[0]], fields, collector)
}

function checkName(
  [instruction, name]: readonly ['ARG' | 'ENV', string | undefined],
  fields: LintInstruction,
  collector: Collector,
): void {
  checkSecretName({ instruction, name: name ?? '' }, { fields }, collector)
}

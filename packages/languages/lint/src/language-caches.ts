/**
 * What the package managers of languages leave behind.
 *
 * @module
 */

import type { Collector } from './collector.js'
import { programOf, type SimpleCommand } from './commands.js'
import type { Run } from './run.js'

interface Cache {
  readonly install: RegExp
  /** A flag of the call with which nothing stays. */
  readonly without?: RegExp
  /** A variable with which nothing stays. */
  readonly variable?: string
  /** A command that removes it. */
  readonly clean?: RegExp
  /** A part of the names of its folders. */
  readonly folder: RegExp
  readonly advice: string
}

const CACHES: readonly Cache[] = [
  {
    install: /^pip[\d.]* install( |$)|^python[\d.]* -m pip install( |$)/,
    without: /^--no-cache(-dir)?$/,
    variable: 'PIP_NO_CACHE_DIR',
    clean: /^pip[\d.]* cache purge/,
    folder: /\.cache/,
    advice: 'pip install --no-cache-dir',
  },
  {
    install: /^npm (install|i|ci|add)( |$)/,
    clean: /^npm cache (clean|rm|clear)/,
    folder: /\.npm/,
    advice: 'npm cache clean --force',
  },
  {
    install: /^yarn( (install|add|global))?$|^yarn (install|add|global) /,
    clean: /^yarn cache clean/,
    folder: /\.yarn|\.cache|yarn-cache/,
    advice: 'yarn cache clean',
  },
  {
    install: /^gem install( |$)/,
    clean: /^gem (cleanup|sources --clear-all|sources -c)/,
    folder: /\.gem|cache/,
    advice: 'rm -rf "$(gem env gemdir)/cache"',
  },
]

/** @param env - the variables of the stage */
export function checkLanguageCaches(run: Run, env: ReadonlyMap<string, string>, collector: Collector): void {
  for (const cache of CACHES) {
    const call = run.shell.find(({ words }) => cache.install.test(lineOf(words)))
    if (call === undefined || isClean(run, cache, env)) continue
    const has = (words: readonly string[]): boolean => words.some(word => cache.without?.test(word))
    const isSet = call.before.some(
      word => cache.variable !== undefined && word.startsWith(`${cache.variable}=`),
    )
    if (has(call.words) || isSet) continue
    const message = `${programOf(call.words)} leaves its downloads in the layer: add "${cache.advice}" to this RUN`
    collector.report('LanguageCacheCleanUp', run.step.fields, message)
  }
}

function isClean(run: Run, { variable, clean, folder }: Cache, env: ReadonlyMap<string, string>): boolean {
  if (variable !== undefined && env.has(variable)) return true
  if (run.mounts.some(mount => folder.test(mount))) return true
  return run.commands.some(
    words =>
      clean?.test(lineOf(words)) ||
      (/^(rm|find)$/.test(programOf(words)) && words.some(word => folder.test(word))),
  )
}

function lineOf(words: SimpleCommand): string {
  return [programOf(words), ...words.slice(1)].join(' ')
}

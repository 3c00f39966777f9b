/**
 * The list of all targets.
 *
 * @module
 */
import { readCorpus } from './corpus.js'
import { layerTargets } from './layer-targets.js'
import { tarTargets } from './tar-targets.js'
import type { Target } from './target.js'
import { textTargets } from './text-targets.js'
import type { Nest } from './watch.js'

/** @param nest - the folder in which archives are unpacked */
export async function allTargets(fixtures: string | undefined, nest: Nest): Promise<readonly Target[]> {
  const corpus = await readCorpus(fixtures)
  return [...tarTargets(corpus), ...layerTargets(corpus, nest), ...textTargets(corpus)]
}

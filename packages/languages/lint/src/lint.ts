/**
 * The linter, which turns the instructions of one file into findings.
 *
 * It follows the file as a build would, without executing anything, and stops where a build would stop. The error of
 * the build is part of the result.
 *
 * @module
 */

import { interpret, interpretAll } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { parsePlatform } from '@pipelayer/oci'
import { resolveBases } from './bases.js'
import { type CheckOptions, mergeOptions, NO_OPTIONS, parseCheckOptions } from './check-options.js'
import { Collector, type Finding } from './collector.js'
import type { LintContext } from './context.js'
import type { LintInstruction } from './instruction.js'
import { lintKubefile } from './kubefile.js'
import { checkCasing, checkStageNames } from './names.js'
import type { FileFinder } from './plugins.js'
import { checkPractices } from './practices.js'
import { groupStages, keywordOf, type Step } from './stages.js'
import { checkSyntax } from './syntax.js'
import { walkStages } from './walk.js'

export interface LintOptions {
  readonly buildArgs?: ReadonlyMap<string, string>
  /** `os/architecture` to build for; `linux/amd64` unless said. */
  readonly platform?: string
  /** Patterns of `.dockerignore`, see `parseIgnore`. */
  readonly ignore?: readonly string[]
  /** The files that a source of COPY stands for; without it, no file is looked at. */
  readonly files?: FileFinder
  /** Options in addition to those of the file's `# check=`. */
  readonly check?: CheckOptions
}

export interface LintResult {
  /** In order of lines. */
  readonly findings: readonly Finding[]
  /** Why a build of the file would fail, as far as the file alone tells. */
  readonly error?: ToolError
}

/** Build argument that takes the place of the directive `# check=`. Spec: moby/buildkit frontend/dockerui. */
const CHECK_ARG = 'BUILDKIT_DOCKERFILE_CHECK'

/**
 * Lints one file.
 *
 * @throws {@link ToolError} `CHECK_INVALID` when its `# check=` is wrong, `PLATFORM_INVALID`, `PATTERN_INVALID`
 */
export function lint(list: readonly LintInstruction[], options: LintOptions = {}): LintResult {
  const { buildArgs = new Map<string, string>(), platform = 'linux/amd64', ignore = [] } = options
  parsePlatform(platform)
  const directive = parseCheckOptions(buildArgs.get(CHECK_ARG) ?? list[0]?.check ?? '')
  const collector = new Collector(mergeOptions(directive, options.check ?? NO_OPTIONS))
  const context = { collector, buildArgs, platform, ignore }
  const isKubefile = list.some(({ dialect = 'dockerfile' }) => dialect !== 'dockerfile')
  try {
    if (isKubefile) lintKubefile(list, collector, options.files)
    else lintDockerfile(list, context)
    return { findings: collector.sorted() }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return { findings: collector.sorted(), error }
  }
}

function lintDockerfile(list: readonly LintInstruction[], context: LintContext): void {
  const { collector } = context
  const steps = list.map((fields): Step => {
    checkSyntax(fields, collector)
    return { fields, keyword: keywordOf(fields.raw), instruction: interpret(fields) }
  })
  interpretAll(list)
  const { global, stages } = groupStages(steps)
  checkStageNames(stages, collector)
  checkCasing(stages, collector)
  const globals = resolveBases(stages, global, context)
  try {
    walkStages(stages, globals, context)
  } finally {
    // The instructions above an error are checked for best practices all the same.
    checkPractices(stages, context)
  }
}

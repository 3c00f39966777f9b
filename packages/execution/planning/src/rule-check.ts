import { ToolError } from '@pipelayer/errors'
import { lint, parseCheckOptions, RULES } from '@pipelayer/lint'
import type { InstructionRecord } from '@pipelayer/records'

/** The build argument that overrides the directive of the file. Spec: moby/buildkit frontend/dockerui */
export const CHECK_ARG = 'BUILDKIT_DOCKERFILE_CHECK'

/**
 * Honours `# check=...;error=true`: a file that breaks a rule of BuildKit is not built.
 *
 * Without `error`, broken rules are only reported by kf-lint. Stages that the target does not need are checked too.
 *
 * @throws {ToolError} `CHECK_INVALID` for a directive that is wrong, `CHECK_FAILED`
 */
export function checkRules(
  records: readonly InstructionRecord[],
  buildArgs: ReadonlyMap<string, string>,
  platform: string,
): void {
  const { error } = parseCheckOptions(buildArgs.get(CHECK_ARG) ?? records[0]?.check ?? '')
  if (!error) return
  const broken = lint(records, { buildArgs, platform }).findings.filter(
    ({ rule }) => RULES[rule].origin === 'buildkit',
  )
  const [first] = broken
  if (first === undefined) return
  const more = broken.length > 1 ? `, and ${broken.length - 1} more: kf-lint lists them` : ''
  throw new ToolError(
    'CHECK_FAILED',
    `${first.file}:${first.line}: ${first.message} [${first.rule}]${more} ("# check=error=true" forbids that)`,
  )
}

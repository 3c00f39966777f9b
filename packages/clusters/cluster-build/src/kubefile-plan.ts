import { ToolError } from '@pipelayer/errors'
import type { Dialect, KubefileFields } from '@pipelayer/kubefile'
import { placeOf } from '@pipelayer/planning'
import type { InstructionRecord } from '@pipelayer/records'

/** A record of a Kubefile, with all fields of its parser. */
export type KubefileRecord = InstructionRecord & KubefileFields

const DIALECTS: ReadonlySet<string> = new Set<Dialect>(['kubefile', 'kubefile-classic', 'sealos'])

/** A Kubefile of the classic dialect: one FROM, and the instructions after it. */
export interface ClassicPlan {
  readonly from: KubefileRecord
  readonly args: readonly KubefileRecord[]
  /** COPY, RUN and CMD, in order. */
  readonly steps: readonly KubefileRecord[]
}

/**
 * The records of a Kubefile; undefined if they are those of a Dockerfile.
 *
 * @throws {ToolError} `KUBEFILE_INVALID` if dialects are mixed
 */
export function kubefileRecords(records: readonly InstructionRecord[]): KubefileRecord[] | undefined {
  const first = records[0]?.dialect ?? 'dockerfile'
  const odd = records.find(record => (record.dialect ?? 'dockerfile') !== first)
  if (odd !== undefined)
    throw new ToolError(
      'KUBEFILE_INVALID',
      `${placeOf(odd)}: an instruction of a ${odd.dialect ?? 'dockerfile'} among those of a ${first}`,
    )
  return DIALECTS.has(first) ? (records as KubefileRecord[]) : undefined
}

/**
 * @throws ToolError `KUBEFILE_INVALID` for records that kf-parse does not make: no FROM, two of them, unknown
 * instructions
 */
export function classicPlan(records: readonly KubefileRecord[]): ClassicPlan {
  const [from, second] = records.filter(record => record.name === 'FROM')
  if (from === undefined) throw new ToolError('KUBEFILE_INVALID', 'no FROM came: there is nothing to build')
  if (second !== undefined)
    throw new ToolError('KUBEFILE_INVALID', `${placeOf(second)}: a second FROM: a Kubefile has one`)
  const steps = records.filter(record => record.name !== 'FROM' && record.name !== 'ARG')
  const odd = steps.find(record => !['COPY', 'RUN', 'CMD'].includes(record.name))
  if (odd !== undefined)
    throw new ToolError('KUBEFILE_INVALID', `${placeOf(odd)}: ${odd.name} is no instruction of this dialect`)
  return { from, args: records.filter(record => record.name === 'ARG'), steps }
}

/** The text after the keyword, with its inner blanks: the `value` of a layer. */
export function valueOf(record: Pick<InstructionRecord, 'raw'>): string {
  return record.raw.trim().replace(/^\S+\s*/, '')
}

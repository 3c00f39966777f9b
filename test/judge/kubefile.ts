/**
 * Judges the Kubefile package: sealer's raw parse, and what it refuses.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { parseRawKubefile } from '@pipelayer/kubefile'
import { comparable, same, type Verdict } from './dockerfile.js'

// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
type Row = { id: string; in: any; want: any; dir?: string }

function parse(row: Row): Verdict {
  try {
    const got = parseRawKubefile(row.in.text).map(node => ({ ...comparable(node), cmd: node.cmd }))
    if (row.want.error !== undefined) return { fail: 'accepted' }
    return same(got, row.want.instructions)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return row.want.error === undefined ? { fail: error.message } : 'pass'
  }
}

export const adapters: Record<string, (row: Row) => Verdict> = {
  'sealer/kubefiles-apps': parse,
  'sealer/kubefiles-suite': parse,
  'sealos/kubefiles': parse,
}

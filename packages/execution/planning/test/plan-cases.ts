// Reads the tables of test/plans. A row of them is
//
//     === WHY
//     options JSON            (may be absent: see PlanOptions)
//     the Dockerfile
//     ---
//     one line for each step, as plan-text.ts writes it
//
// After the steps, a row may have further lines: `! CODE message` of an error, `images NAMES` of the images that were
// asked for, `unused NAMES` of build arguments, `config JSON` of fields of the config, and `- LINE` for each line of
// the history.

import fs from 'node:fs'
import type { PlanOptions } from './plan-kit.js'

export interface PlanCase {
  readonly why: string
  readonly options: PlanOptions
  readonly file: string
  readonly want: readonly string[]
}

export function planCases(file: string): PlanCase[] {
  const [, ...rows] = fs.readFileSync(file, 'utf8').split(/^=== /m)
  return rows.map(row => {
    const [head = '', want = ''] = row.split(/^---\n/m)
    const [why = '', ...lines] = head.split('\n')
    const said = lines[0]?.startsWith('options ') ? lines.shift() : undefined
    const options = said === undefined ? {} : JSON.parse(said.slice('options '.length))
    return { why, options, file: lines.join('\n'), want: want.split('\n').filter(line => line !== '') }
  })
}

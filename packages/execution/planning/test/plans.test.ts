// Plans of Dockerfiles: their steps in order, with what each step is executed on and what it needs. Nothing is
// executed.

import fs from 'node:fs'
import { ToolError } from '@pipelayer/errors'
import type { InstructionRecord } from '@pipelayer/records'
import t from 'tap'
import { makePlan } from '../src/plan.js'
import { type PlanCase, planCases } from './plan-cases.js'
import { type Planned, planOf } from './plan-kit.js'

const FOLDER = 'test/plans'

for (const name of fs.readdirSync(FOLDER).sort())
  t.test(name, async t => {
    for (const row of planCases(`${FOLDER}/${name}`)) t.same(await linesOf(row), row.want, row.why)
  })

t.test('records that kf-parse does not write', async t => {
  const source = { file: 'Dockerfile', line: 2, endLine: 2 }
  const nul = {
    stage: 0,
    index: 1,
    name: 'COPY',
    form: 'words',
    args: ['f', '/a\0b'],
    flags: [],
    source,
    raw: '',
  }
  const from = { ...nul, index: 0, name: 'FROM', args: ['scratch'] }
  t.throws(
    () => makePlan([from, nul].map(each => ({ type: 'instruction', ...each })) as InstructionRecord[]),
    {
      code: 'DOCKERFILE_INVALID',
      message: /^Dockerfile:2:1: .* has a NUL byte, which no instruction can hold$/,
    },
    'a NUL in an instruction',
  )
})

/** The actual lines to compare with a row: all steps, and of the other lines those that the row has. */
async function linesOf({ file, options, want }: PlanCase): Promise<string[]> {
  try {
    const planned = await planOf(file, options)
    const asked = want.filter(line => !/^(\d|-)/.test(line)).flatMap(line => answer(line, planned))
    const history = want.some(line => line.startsWith('- '))
      ? planned.history.map(line => `- ${line.replaceAll('\n', '\\n')}`)
      : []
    return [...planned.lines, ...asked, ...history]
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return [`! ${error.code} ${error.message}`]
  }
}

function answer(line: string, { images, unused, doc }: Planned): string {
  const [what, rest = ''] = [line.split(' ')[0], line.slice(line.indexOf(' ') + 1)]
  if (what === 'images') return `images ${images.join(', ')}`
  if (what === 'unused') return `unused ${unused.join(', ') || 'none'}`
  if (what !== 'config') return line.startsWith('!') ? '! nothing is wrong' : `nobody knows ${line}`
  const fields = Object.keys(JSON.parse(rest)).map(name => [name, doc.config[name] ?? null])
  return `config ${JSON.stringify(Object.fromEntries(fields))}`
}

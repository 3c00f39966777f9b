// Judges the rows of one table in a process of its own; scripts/judge.mjs starts it.
// Arguments: the bundled adapters, the table's name, its file, and a list of 1 for each row to leave out.
import path from 'node:path'
import { readRows } from './judge-rows.mjs'

const [module, name, file, skip] = process.argv.slice(2)
const { adapters } = await import(module)
const adapter = adapters[name]
// `dir` of a row is relative to the folder of its source.
const context = { dir: path.resolve(path.dirname(file), '..') }
const skipped = JSON.parse(skip)

for (const [index, row] of readRows(file).entries()) {
  if (!skipped[index]) await send({ index, outcome: await judge(row) })
}
process.exit(0)

async function judge(row) {
  try {
    return await adapter(row, context)
  } catch (error) {
    return { fail: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

function send(message) {
  return new Promise(resolve => process.send(message, resolve))
}

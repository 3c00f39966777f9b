// Adds up .test/results.json of every workspace and the shows' outcomes given as arguments (pass or fail),
// prints how many were skipped, if any, then `N passed, N failed` as the last line, and exits 1 when anything failed or a workspace has no results.
import fs from 'node:fs'
import path from 'node:path'

const root = path.resolve(import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname), '..')
const groups = fs.readdirSync(path.join(root, 'packages')).map(group => path.join('packages', group))
const folders = [...groups, 'tools'].flatMap(parent =>
  fs.readdirSync(path.join(root, parent)).map(name => path.join(root, parent, name)),
)
const totals = { passed: 0, failed: 0, skipped: 0 }

for (const folder of [...folders, path.join(root, 'test')]) {
  if (fs.existsSync(path.join(folder, 'package.json'))) add(folder)
}
for (const outcome of process.argv.slice(2)) totals[outcome === 'pass' ? 'passed' : 'failed']++

if (totals.skipped > 0) console.log(`${totals.skipped} skipped`)
console.log(`${totals.passed} passed, ${totals.failed} failed`)
process.exit(totals.failed > 0 ? 1 : 0)

function add(folder) {
  const file = path.join(folder, '.test/results.json')
  if (!fs.existsSync(file)) {
    console.log(`no results of ${path.relative(root, folder)}`)
    totals.failed++
    return
  }
  const results = JSON.parse(fs.readFileSync(file, 'utf8'))
  for (const key of Object.keys(totals)) totals[key] += results[key]
}

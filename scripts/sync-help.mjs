// Writes the options of each built tool's --help into the OPTIONS section of its README.
import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const chosen = process.argv.slice(2)

for (const name of chosen.length > 0 ? chosen : fs.readdirSync(path.join(root, 'tools'))) sync(name)

function sync(name) {
  const page = path.join(root, 'tools', name, 'README.md')
  const program = path.join(root, 'tools', name, 'dist/cli.cjs')
  if (!fs.existsSync(page) || !fs.existsSync(program))
    return console.error(`${name}: not built, or no README.md`)
  const help = execFileSync(process.execPath, [program, '--help'], { encoding: 'utf8' })
  const options = help.replace(/^[\s\S]*?^Options:\n/m, '').trimEnd()
  const text = fs.readFileSync(page, 'utf8')
  const synced = text.replace(
    /^## OPTIONS\n[\s\S]*?(?=^## )/m,
    () => `## OPTIONS\n\n\`\`\`\n${options}\n\`\`\`\n\n`,
  )
  if (synced !== text) fs.writeFileSync(page, synced)
}

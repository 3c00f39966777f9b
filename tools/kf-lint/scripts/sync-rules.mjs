// Writes the table of rules into README.md, from packages/lint. `--check` only says whether it is up to date.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const home = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const { outputFiles } = await build({
  entryPoints: [path.resolve(home, '../../packages/languages/lint/src/rules.ts')],
  write: false,
  format: 'esm',
})
const { RULES } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`)
const rows = Object.entries(RULES).map(
  ([name, { severity, description, experimental, kubefiles, origin }]) => {
    const marks = [origin === 'buildkit' && 'B', kubefiles && 'K', experimental && 'X']
      .filter(Boolean)
      .join(' ')
    return `| [${name}](rules/${name}.md) | ${severity} | ${marks} | ${description} |`
  },
)
const table = ['| rule | severity | | asks |', '|---|---|---|---|', ...rows].join('\n')
const page = path.join(home, 'README.md')
const text = fs.readFileSync(page, 'utf8')
const synced = text.replace(/\| rule \| severity[^\n]*\n(\|[^\n]*\n)*/, () => `${table}\n`)

if (process.argv.includes('--check')) process.exit(synced === text ? 0 : 1)
if (synced !== text) fs.writeFileSync(page, synced)

// npm run new-tool NAME: writes tools/NAME, a whole tool that passes records on, and enters it in the lockfile. Its
// work is then written in src/index.ts, its options in src/cli.ts, and its man page in README.md.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { toolFiles } from './tool-template.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const name = process.argv[2] ?? ''
const dir = path.join(root, 'tools', name)

if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name))
  stop(`NAME must be lower-case words joined by "-", got "${name}"`)
if (fs.existsSync(dir)) stop(`tools/${name} exists already`)

const { version } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
for (const [file, text] of Object.entries(toolFiles(name, version))) {
  fs.mkdirSync(path.dirname(path.join(dir, file)), { recursive: true })
  fs.writeFileSync(path.join(dir, file), text)
}

run('npm', ['install', '--ignore-scripts', '--prefer-offline', '--silent'])
run(process.execPath, ['scripts/complete-lock.mjs'])
run('scripts/build', [])
run(process.execPath, ['scripts/sync-help.mjs', name])
console.log(`tools/${name} is there; try: echo '{"type":"x"}' | bin/${name} --no-end`)

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) stop(`${command} ${args.join(' ')} ended with ${status}`)
}

function stop(message) {
  console.error(`new-tool: ${message}`)
  process.exit(2)
}

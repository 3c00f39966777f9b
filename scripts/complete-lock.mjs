// Adds to package-lock.json the optional packages of other platforms that it lacks: a registry that mirrors only some platforms
// leaves them out, and `npm ci` then refuses the whole lockfile. Run after `npm install`; changes nothing when all are there.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const file = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', 'package-lock.json')
const lock = JSON.parse(fs.readFileSync(file, 'utf8'))
const { packages } = lock
let added = 0

for (const [place, entry] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (isLocked(place, name)) continue
    packages[`node_modules/${name}`] = {
      version,
      ...platformOf(name),
      ...(entry.dev ? { dev: true } : {}),
      optional: true,
    }
    added++
  }
}

if (added > 0) {
  const sorted = Object.keys(packages).sort((a, b) => a.localeCompare(b, 'en'))
  lock.packages = Object.fromEntries(sorted.map(key => [key, packages[key]]))
  fs.writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`)
}
console.log(`complete-lock: ${added} added`)

/** Whether Node would find the package from there: in this folder's node_modules, or one further up. */
function isLocked(place, name) {
  for (let folder = place; ; folder = folder.slice(0, Math.max(0, folder.lastIndexOf('/node_modules/')))) {
    if (packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`]) return true
    if (folder === '' || !folder.includes('/node_modules/'))
      return packages[`node_modules/${name}`] !== undefined
  }
}

/** Platform packages carry their platform in the name: `@oxc-parser/binding-linux-riscv64-musl`. */
function platformOf(name) {
  const words = name.replace(/^@[^/]*\//, '').split('-')
  const os = words.find(word =>
    ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32'].includes(word),
  )
  const cpu = words.find(word => ['arm64', 'x64', 'arm', 'ppc64', 'riscv64', 's390x', 'ia32'].includes(word))
  const libc = words.some(word => word.startsWith('musl'))
    ? 'musl'
    : words.some(word => word.startsWith('gnu'))
      ? 'glibc'
      : undefined
  return { ...(cpu ? { cpu: [cpu] } : {}), ...(libc ? { libc: [libc] } : {}), ...(os ? { os: [os] } : {}) }
}

// Compiles schemas/*.json into src/generated/validators.ts: plain functions, no dependency at run time.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import Ajv from 'ajv'
import standalone from 'ajv/dist/standalone/index.js'

const home = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const names = fs
  .readdirSync(path.join(home, 'schemas'))
  .map(file => path.basename(file, '.json'))
  .sort()
const schemas = names.map(name =>
  JSON.parse(fs.readFileSync(path.join(home, 'schemas', `${name}.json`), 'utf8')),
)
const ajv = new Ajv.default({
  schemas,
  code: { source: true, esm: true, optimize: 2 },
  strict: true,
  strictRequired: false,
  strictTypes: false,
  allowUnionTypes: true,
})
const identifier = name => name.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase())
const exported = Object.fromEntries(names.map(name => [identifier(name), `${name}.json`]))
const code = standalone
  .default(ajv, exported)
  // The one helper that ajv would import: the length of a string in code points. minLength 1 needs no more than this.
  .replace(
    /const (\w+) = require\("ajv\/dist\/runtime\/ucs2length"\)\.default;/g,
    'const $1 = (s) => s.length;',
  )
if (/require\(/.test(code))
  throw new Error(`the generated validators import something: ${/.*require\(.*/.exec(code)[0]}`)

const table = names.map(name => `  ${JSON.stringify(name)}: ${identifier(name)},`).join('\n')
const target = path.join(home, 'src/generated/validators.ts')
const text = `// @ts-nocheck\n// Made by scripts/generate.mjs from schemas/.\n${code}\nexport const validators: Record<string, any> = {\n${table}\n}\n`
fs.mkdirSync(path.dirname(target), { recursive: true })
if (!fs.existsSync(target) || fs.readFileSync(target, 'utf8') !== text) fs.writeFileSync(target, text)

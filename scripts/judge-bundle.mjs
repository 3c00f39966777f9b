// Bundles the adapters of test/judge/*.ts, so that the judge runs them from source.
import fs from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'

/**
 * Returns the bundle of each module, the module with each table's adapter, and a line for each module that cannot be
 * loaded.
 */
export async function bundleAdapters(root) {
  // The folder belongs to this run alone, because another run may be at work.
  const cache = path.join(root, 'node_modules/.cache/pipelayer-judge')
  fs.mkdirSync(cache, { recursive: true })
  const out = fs.mkdtempSync(path.join(cache, 'run-'))
  process.on('exit', () => fs.rmSync(out, { recursive: true, force: true }))
  const modules = new Map()
  const tables = new Map()
  const broken = []
  for (const file of fs
    .readdirSync(path.join(root, 'test/judge'))
    .filter(name => name.endsWith('.ts'))
    .sort()) {
    const name = path.basename(file, '.ts')
    try {
      const outfile = path.join(out, `${name}.mjs`)
      await bundle(path.join(root, 'test/judge', file), outfile)
      const { adapters } = await import(outfile)
      modules.set(name, outfile)
      // A module without adapters is imported by the others.
      for (const table of Object.keys(adapters ?? {})) tables.set(table, name)
    } catch (error) {
      broken.push(
        `failed test/judge/${file}: ${error instanceof Error ? error.message.slice(0, 600) : error}`,
      )
    }
  }
  return { modules, tables, broken }
}

function bundle(entry, outfile) {
  return build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: 'inline',
    logLevel: 'silent',
    conditions: ['@pipelayer/source'],
    external: ['koffi'],
    banner: { js: "import{createRequire as __r}from'node:module';const require=__r(import.meta.url);" },
  })
}

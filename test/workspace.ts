/**
 * Reads the repository for tests: its packages, their ranks and their imports.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'

/** The root of the repository; tests run in their package's folder. */
export const ROOT = path.resolve('..')

/** The fields of a package.json that the tests read. */
export interface PackageManifest {
  readonly name: string
  readonly version: string
  readonly description?: string
  readonly private?: boolean
  readonly license?: string
  readonly bin?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
  readonly pipelayer?: {
    readonly reads?: 'records' | 'references' | 'none'
    readonly writes?: 'records' | 'bytes' | 'none'
    readonly programs?: readonly string[]
    readonly contract?: ContractCase
  }
}

/** The shortest arguments and input with which a tool runs to its end; `{tmp}` stands for a temporary folder. */
export interface ContractCase {
  readonly args?: readonly string[]
  /** Lines for stdin, without the `end` record. */
  readonly input?: string
  /** The full name of an image that the store has. */
  readonly image?: string
}

export interface Workspace {
  /** The name without its scope: `tar`. */
  readonly name: string
  /** Absolute. */
  readonly dir: string
  readonly kind: 'package' | 'tool'
  readonly manifest: PackageManifest
}

/** One import: its file (below the workspace) and the module that it names. */
export interface Import {
  readonly file: string
  readonly from: string
  /** It is an `import type`, which is removed from the program. */
  readonly typesOnly: boolean
}

/** Every package and tool, in byte order of their folders. Packages lie in groups: `packages/formats/tar`. */
export function workspaces(): Workspace[] {
  const groups = fs.readdirSync(path.join(ROOT, 'packages')).sort()
  return [
    ...groups.flatMap(group => inFolder(path.join('packages', group), 'package')),
    ...inFolder('tools', 'tool'),
  ]
}

function inFolder(folder: string, kind: Workspace['kind']): Workspace[] {
  return fs
    .readdirSync(path.join(ROOT, folder))
    .sort()
    .map(entry => path.join(ROOT, folder, entry))
    .filter(dir => fs.existsSync(path.join(dir, 'package.json')))
    .map(dir => {
      const manifest = JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8')) as PackageManifest
      return { name: manifest.name.replace('@pipelayer/', ''), dir, kind, manifest }
    })
}

/** The rank of each package in ARCHITECTURE.md's table; `test` is above all. */
export function ranks(): Map<string, number> {
  const text = fs.readFileSync(path.join(ROOT, 'ARCHITECTURE.md'), 'utf8')
  const found = new Map<string, number>()
  for (const [, rank, names] of text.matchAll(/^\| (\d+|test) \| ([\w/* -]+) \|/gm)) {
    for (const name of (names ?? '').split(' '))
      found.set(name, rank === 'test' ? Number.POSITIVE_INFINITY : Number(rank))
  }
  return found
}

/** The TypeScript and script files below a folder, relative to it, generated ones left out. */
export function sourceFiles(dir: string): string[] {
  if (!fs.existsSync(dir)) return []
  return (fs.readdirSync(dir, { recursive: true }) as string[])
    .filter(file => /\.(ts|mts|mjs)$/.test(file))
    .filter(file => !/(^|\/)(node_modules|dist|\.test|generated)\//.test(file))
    .sort()
}

const IMPORT =
  /(?:^|[;\s])(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|(?:^|[^.\w])(?:import|require)\s*\(\s*['"]([^'"]+)['"]\s*\)|^import\s+['"]([^'"]+)['"]/gm

/** Every import of the files in a folder of a workspace, types included. */
export function importsOf(workspace: Workspace, folder: 'src' | 'test'): Import[] {
  const dir = path.join(workspace.dir, folder)
  return sourceFiles(dir).flatMap(file =>
    [...withoutComments(fs.readFileSync(path.join(dir, file), 'utf8')).matchAll(IMPORT)].map(match => ({
      file: path.join(folder, file),
      from: match[1] ?? match[2] ?? match[3] ?? '',
      typesOnly: /^\s*;?(import|export) type\b/.test(match[0]),
    })),
  )
}

/** The text without its comments; strings with `//` in them are kept. */
export function withoutComments(text: string): string {
  const TOKEN = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`/g
  return text.replace(TOKEN, token => (token.startsWith('/*') || token.startsWith('//') ? ' ' : token))
}

/** The npm package that an import names: `@scope/name/file` is `@scope/name`. */
export function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? '')
}

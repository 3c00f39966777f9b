/**
 * The cases that are built: the Dockerfiles of cases/, and the contexts of the fixtures (in $PIPELAYER_FIXTURES).
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'

/** The options of a build that are not in its Dockerfile. `{context}` stands for the folder of the shared context. */
export interface CaseOptions {
  readonly target?: string
  /** `NAME=VALUE`. */
  readonly buildArgs?: readonly string[]
  /** `NAME=DIR`, or `NAME=docker-image://REFERENCE`. */
  readonly contexts?: readonly string[]
  readonly secrets?: readonly string[]
  /** The build must fail, and both messages must match this regular expression, in any case. */
  readonly fails?: string
}

export interface BuildCase extends CaseOptions {
  /** In cases/, the name of the file without `.Dockerfile`; in the fixtures, the id of the row. */
  readonly name: string
  readonly dockerfile: string
  readonly context: string
}

/** The cases of this folder by base; those that need a Debian are listed separately. */
export function ownCases(folder: string, context: string): { small: BuildCase[]; debian: BuildCase[] } {
  const options = JSON.parse(fs.readFileSync(path.join(folder, 'options.json'), 'utf8'))
  const cases = fs
    .readdirSync(path.join(folder, 'cases'))
    .filter(file => file.endsWith('.Dockerfile'))
    .sort()
    .map(file => {
      const name = file.replace(/\.Dockerfile$/, '')
      const own = JSON.parse(JSON.stringify(options[name] ?? {}).replaceAll('{context}', context))
      return { ...own, name, dockerfile: path.join(folder, 'cases', file), context } as BuildCase
    })
  const isDebian = ({ name }: BuildCase): boolean => name.startsWith('debian-')
  return { small: cases.filter(one => !isDebian(one)), debian: cases.filter(isDebian) }
}

interface FixtureRow {
  readonly id: string
  readonly dir?: string
  readonly in: { readonly dir: string; readonly dockerfile: string }
}

/** The contexts of the fixtures, copied below `place`. */
export function fixtureCases(fixtures: string, place: string): BuildCase[] {
  const tables = path.join(fixtures, 'builds/dev')
  return fs
    .readdirSync(tables)
    .filter(file => file.endsWith('.ndjson'))
    .sort()
    .flatMap(file => fs.readFileSync(path.join(tables, file), 'utf8').trim().split('\n'))
    .map(line => JSON.parse(line) as FixtureRow)
    .map(row => {
      const context = path.join(place, row.id.replace(/[^\w.-]/g, '_'))
      const from = path.join(fixtures, 'builds', row.dir ?? '', row.in.dir)
      fs.cpSync(from, context, { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
      const dockerfile = path.join(context, row.in.dockerfile)
      withoutSyntax(dockerfile)
      setTimes(context)
      return { name: row.id, dockerfile, context }
    })
}

// The engine would ask a registry for the frontend of this line; its own frontend is newer.
function withoutSyntax(dockerfile: string): void {
  const text = fs.readFileSync(dockerfile, 'latin1')
  fs.writeFileSync(dockerfile, text.replace(/^# *syntax *=.*/, '# by the frontend built in'), 'latin1')
}

/** Gives every file of a tree a time that depends on its name, because git and archives do not keep the times. */
export function setTimes(root: string): void {
  const names = fs.readdirSync(root, { recursive: true, encoding: 'latin1' }) as string[]
  for (const name of names.sort().reverse()) {
    let seconds = 1_000_000_000
    for (const char of name) seconds += char.charCodeAt(0) * 4099
    fs.lutimesSync(Buffer.from(`${root}/${name}`, 'latin1'), seconds, seconds)
  }
}

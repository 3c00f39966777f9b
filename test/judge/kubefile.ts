/**
 * Judges the Kubefile package: sealer's raw parse, and what it refuses.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import {
  type ApplicationSource,
  applicationType,
  type KubefileFields,
  type KubefileMeaning,
  kubefileMeaning,
  parseKubefile,
  parseRawKubefile,
} from '@pipelayer/kubefile'
import { comparable, same, type Verdict } from './dockerfile.js'

// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
type Row = { id: string; in: any; want: any; dir?: string }

function parse(row: Row): Verdict {
  try {
    const got = parseRawKubefile(row.in.text).map(node => ({ ...comparable(node), cmd: node.cmd }))
    if (row.want.error !== undefined) return { fail: 'accepted' }
    return same(got, row.want.instructions)
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return row.want.error === undefined ? { fail: error.message } : 'pass'
  }
}

/** The names of files below a folder of a row, as the source of an application. */
function sourceIn(dir: string): (name: string) => ApplicationSource {
  return name => {
    const full = path.resolve(dir, name)
    if (!fs.existsSync(full) || !fs.statSync(full).isDirectory()) return { name }
    const files = fs.readdirSync(full, { recursive: true, withFileTypes: true })
    return {
      name,
      files: files
        .filter(entry => !entry.isDirectory())
        .map(entry => path.relative(full, path.join(entry.parentPath, entry.name)))
        .sort(),
    }
  }
}

/** The Dockerfile and the applications that a Kubefile stands for. */
function meaning(row: Row, { dir }: { readonly dir: string }): Verdict {
  const folder = path.join(dir, row.dir ?? '')
  try {
    const text = fs.readFileSync(path.join(folder, row.in.file))
    const fields = parseKubefile(text, { dialect: 'kubefile' })
    const got = kubefileMeaning(fields, {
      appRoot: row.in.app_root,
      arch: row.in.arch ?? 'amd64',
      source: sourceIn(folder),
    })
    return row.want.error === undefined ? compareMeaning(row.want, got) : { fail: 'accepted' }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    return row.want.error === undefined ? { fail: error.message } : 'pass'
  }
}

function compareMeaning(want: Row['want'], got: KubefileMeaning<KubefileFields>): Verdict {
  const apps = [...got.applications.values()]
  const dockerfile = got.dockerfile.map(line => line.fields.raw.trim()).join('\n')
  if (want.dockerfile_contains !== undefined && !dockerfile.includes(want.dockerfile_contains))
    return { fail: dockerfile }
  const found: Record<string, unknown> = {
    dockerfile,
    launch: got.launch,
    raw_cmds: got.cmds,
    apps: Object.fromEntries(apps.map(app => [app.name, app.type])),
    app_cmds: Object.fromEntries(apps.filter(app => app.cmds.length > 0).map(app => [app.name, app.cmds])),
    app_env: Object.fromEntries(
      apps.filter(app => Object.keys(app.env).length > 0).map(app => [app.name, app.env]),
    ),
    global_env: got.env,
    launch_files: Object.fromEntries(apps.map(app => [app.name, app.launchFiles])),
  }
  const asked = Object.keys(want).filter(key => key !== 'dockerfile_contains')
  return same(Object.fromEntries(asked.map(key => [key, found[key]])), {
    ...Object.fromEntries(asked.map(key => [key, want[key]])),
  })
}

/** The kind of an application by the names of its files. */
function appType(row: Row): Verdict {
  const sources = row.in.files.map((name: string) => ({ name }))
  return same({ type: applicationType(sources) }, { type: row.want.type })
}

export const adapters: Record<string, (row: Row, context: { readonly dir: string }) => Verdict> = {
  'sealer/app-type': appType,
  'sealer/kubefile-semantics': meaning,
  'sealer/kubefiles-apps': parse,
  'sealer/kubefiles-suite': parse,
  'sealos/kubefiles': parse,
}

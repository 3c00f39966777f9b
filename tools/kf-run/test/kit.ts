// Runs the built kf-run on Dockerfiles written in the test.

import fs from 'node:fs'
import path from 'node:path'
import { diffOverlay } from '@pipelayer/change-set'
import { instructionFields, parseDockerfile } from '@pipelayer/dockerfile'
import type { AnyRecord, SnapshotRecord } from '@pipelayer/records'
import { type RunningPipe, startPipe } from '@pipelayer/testkit'

/** The result of a run. */
export interface Run {
  readonly status: number
  readonly stderr: string
  readonly records: readonly AnyRecord[]
  readonly snapshots: readonly SnapshotRecord[]
  // biome-ignore lint/suspicious/noExplicitAny: a document of many shapes
  readonly config: any
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** A program that starts kf-run. */
  readonly before?: string
  /** Records to use in place of those of a Dockerfile. */
  readonly input?: string
}

/** A folder with a context, a store, and busybox in the context. */
export class Lab {
  readonly dir: string
  readonly context: string
  readonly store: string

  constructor(dir: string) {
    this.dir = dir
    this.context = path.join(dir, 'context')
    this.store = path.join(dir, 'store')
    fs.mkdirSync(this.context, { recursive: true })
    fs.copyFileSync('/bin/busybox', path.join(this.context, 'sh'))
  }

  /** Writes a file of the context, or a symlink if the content begins with `->`. */
  file(name: string, content: string): void {
    const file = path.join(this.context, name)
    fs.mkdirSync(path.dirname(file), { recursive: true })
    if (content.startsWith('->')) fs.symlinkSync(content.slice(2), file)
    else fs.writeFileSync(file, content)
  }

  start(dockerfile: string, args = '', options: RunOptions = {}): RunningPipe {
    const program = path.resolve('dist/cli.cjs')
    const context = /^-c /.test(args) ? '' : `--context '${this.context}'`
    return startPipe(`${options.before ?? ''} '${process.execPath}' '${program}' ${context} ${args}`, {
      cwd: this.dir,
      env: { PIPELAYER_STORE: this.store, ...options.env },
      input: options.input ?? recordsOf(dockerfile),
      timeoutMs: 60_000,
    })
  }

  async run(dockerfile: string, args = '', options: RunOptions = {}): Promise<Run> {
    const { status, stdout, stderr } = await this.start(dockerfile, args, options).done
    const records = stdout
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as AnyRecord)
    const snapshots = records.filter(record => record.type === 'snapshot') as SnapshotRecord[]
    const config = records.find(record => record.type === 'config')?.config
    return { status, stderr, records, snapshots, config }
  }
}

/** The lines that kf-parse would write. */
function recordsOf(dockerfile: string): string {
  const file = parseDockerfile(dockerfile)
  let stage = -1
  const records = file.instructions.map((node, index) => {
    if (node.cmd.toLowerCase() === 'from') stage++
    return {
      type: 'instruction',
      stage,
      index,
      ...instructionFields(node, { file: 'Dockerfile', escape: file.escape }),
    }
  })
  const end = { type: 'end', tool: 'test', records: records.length, failed: 0 }
  return [...records, end].map(record => `${JSON.stringify(record)}\n`).join('')
}

/** The changes of a step: `add bin/sh 0755 0:0`, or `delete x`; parents that did not change are left out. */
export function changes(snapshot: SnapshotRecord | undefined): string[] {
  const { upper = '', lowers = [] } = snapshot ?? {}
  return [...diffOverlay({ upper, lowers })]
    .filter(change => !change.parent)
    .map(({ op, path: name, entry }) =>
      entry ? `${op} ${name} ${entry.type} ${entry.mode} ${entry.uid}:${entry.gid}` : `${op} ${name}`,
    )
}

/** The content of a file that a step made. */
export function content(snapshot: SnapshotRecord | undefined, name: string): string {
  return fs.readFileSync(path.join(snapshot?.upper ?? '', name), 'utf8')
}

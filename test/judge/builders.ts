/**
 * Judges builds by the tables of moby's and imagebuilder's own builders: each case is turned into a Dockerfile and
 * built.
 *
 * @module
 */
import fs from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { type InstructionFields, interpret } from '@pipelayer/dockerfile'
import type { AnyRecord } from '@pipelayer/records'
import { type Built, build } from './build.js'
import { same, type Verdict } from './dockerfile.js'
import { inThrowAway, type Json } from './layer-tree.js'

type Row = { id: string; in: Json; want: Json; dir?: string }
type Context = { dir: string }
type Adapter = (row: Row, context: Context) => Promise<Verdict>

interface Case {
  readonly dockerfile: string
  /** Contents by path. */
  readonly files?: Readonly<Record<string, string>>
  readonly buildArgs?: Readonly<Record<string, string>>
  readonly edit?: (records: AsyncIterable<AnyRecord>) => AsyncIterable<AnyRecord>
}

/** Builds a case in a folder of its own, and passes the tree to `judge` before it is removed. */
async function built(wish: Case, judge: (got: Built) => Verdict): Promise<Verdict> {
  return await inThrowAway(async place => {
    const context = path.join(place, 'context')
    for (const [name, content] of Object.entries({ ...wish.files, '.made': '' })) {
      fs.mkdirSync(path.dirname(path.join(context, name)), { recursive: true })
      fs.writeFileSync(path.join(context, name), content)
    }
    const dockerfile = path.join(place, 'Dockerfile')
    fs.writeFileSync(dockerfile, wish.dockerfile)
    const buildArgs = Object.entries(wish.buildArgs ?? {}).map(([name, value]) => `${name}=${value}`)
    return judge(
      await build({ dockerfile, context, place, buildArgs, ...(wish.edit && { edit: wish.edit }) }),
    )
  })
}

/** For an empty WORKDIR, BuildKit keeps the working directory, unlike the builder before it. */
const workdir: Adapter = async ({ in: { current = '', requested = '' }, want }) => {
  if (current === '' && requested === '' && want.expectedError) return 'policy:buildkit-workdir'
  const lines = [current, requested].map(dir => `WORKDIR ${JSON.stringify(dir)}`)
  const dockerfile = ['FROM scratch', ...(current === '' ? lines.slice(1) : lines), ''].join('\n')
  return built({ dockerfile }, got => {
    if (want.expectedError) return 'refused' in got ? 'pass' : { fail: got.config.WorkingDir }
    return 'refused' in got ? { fail: got.refused } : same(got.config.WorkingDir, want.expected)
  })
}

/** The accounts that the test of moby writes into the image. */
const ACCOUNTS = {
  'etc/passwd': `root:x:0:0::/bin:/bin/false
bin:x:1:1::/bin:/bin/false
wwwwww:x:21:33::/bin:/bin/false
unicorn:x:1001:1002::/bin:/bin/false
`,
  'etc/group': `root:x:0:
bin:x:1:
wwwwww:x:33:
unicorn:x:1002:
somegrp:x:5555:
othergrp:x:6666:
`,
}

/** In that project an id map is a matter of the engine, so the expected ids are those before mapping. */
const chown: Adapter = ({ in: { chownStr, idMapping = {} }, want }) => {
  const dockerfile = `FROM scratch\nCOPY etc /etc\nCOPY --chown=${chownStr} file /file\n`
  return built({ dockerfile, files: { ...ACCOUNTS, file: '' } }, got => {
    if (want.expected === undefined || want.expected === null)
      return 'refused' in got ? 'pass' : { fail: 'was built' }
    if ('refused' in got) return { fail: got.refused }
    const { uid, gid } = fs.lstatSync(path.join(got.tree, 'file'))
    const { UID = 0, GID = 0 } = want.expected
    return same([uid, gid], [unmapped(UID, idMapping.UIDMaps), unmapped(GID, idMapping.GIDMaps)])
  })
}

function unmapped(id: number, maps: Json): number {
  const row = (maps ?? []).find((one: Json) => id >= one.ParentID && id < one.ParentID + one.Count)
  return row === undefined ? id : id - row.ParentID + (row.ID ?? row.ContainerID ?? 0)
}

const refusedTransfer: Adapter = ({ in: { cmd, files, name }, want }) => {
  const { SourcePaths: sources = [], DestPath: dest = '' } = cmd.SourcesAndDest ?? cmd
  const instruction = /\bADD\b/.test(name) ? 'ADD' : 'COPY'
  const flag = cmd.Chown ? `--chown=${cmd.Chown} ` : ''
  const dockerfile = `FROM scratch\n${instruction} ${flag}${JSON.stringify([...sources, dest])}\n`
  return built({ dockerfile, files: files ?? {} }, got => {
    if (!want.expectedError) return 'refused' in got ? { fail: got.refused } : 'pass'
    if ('refused' in got) return 'pass'
    const isEmpty = fs.readdirSync(got.tree).length === 0 && sources.some((one: string) => /[*?[]/.test(one))
    if (isEmpty) return 'policy:buildkit-empty-wildcard'
    const isSeveral = Object.keys(files ?? {}).length > 1 && !dest.endsWith('/')
    return isSeveral ? 'policy:buildkit-several-to-one' : { fail: 'was built' }
  })
}

/**
 * As in BuildKit, the name comes only from the path of an address: a slash at its end is ignored, and so are headers.
 */
const downloadName: Adapter = async ({ in: { path: address = '', disposition }, want }) => {
  const file = address.replace(/^[a-z]+:\/\/[^/]*/, '')
  const server = http.createServer((_, answer) =>
    answer.writeHead(200, disposition ? { 'content-disposition': disposition } : {}).end('x'),
  )
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = server.address() as AddressInfo
    const dockerfile = `FROM scratch\nADD ${JSON.stringify([`http://127.0.0.1:${port}${file}`, '/into/'])}\n`
    return await built({ dockerfile }, got => {
      if ('refused' in got) return { fail: got.refused }
      const [name = ''] = fs.readdirSync(path.join(got.tree, 'into'))
      const verdict = same(name === '__unnamed__' ? '' : name, want.expected)
      const isOther = disposition !== undefined || file.endsWith('/')
      return verdict !== 'pass' && isOther ? 'policy:buildkit-url-names' : verdict
    })
  } finally {
    server.close()
  }
}

const argument: Adapter = ({ in: { args, dockerfile }, want }) => {
  const [name = '', ...value] = want.expectedValue.split('=')
  const text = `${dockerfile.replace(/\n?$/, '\n')}LABEL judged=$${name}\n`
  return built({ dockerfile: text, buildArgs: args ?? {}, edit: configOnly }, got =>
    'refused' in got ? { fail: got.refused } : same(got.config.Labels?.judged, value.join('=')),
  )
}

/** Passes only instructions that change the config: bases are empty, and nothing is copied or run. */
async function* configOnly(records: AsyncIterable<AnyRecord>): AsyncGenerator<AnyRecord> {
  const stages = new Set<string>()
  for await (const record of records) {
    const { name, args } = record as Json
    if (['RUN', 'COPY', 'ADD'].includes(name)) continue
    if (name !== 'FROM') {
      yield record
      continue
    }
    const base = stages.has(args[0].toLowerCase()) ? args[0] : 'scratch'
    if (args[2] !== undefined) stages.add(args[2].toLowerCase())
    yield { ...record, args: [base, ...args.slice(1)], flags: [] } as AnyRecord
  }
}

/** Judges the config, and what would be copied and run. */
const config: Adapter = async ({ in: { file, args }, want, dir: folder = '' }, { dir }) => {
  const dockerfile = fs.readFileSync(path.join(dir, folder, file), 'utf8')
  const seen: InstructionFields[] = []
  const edit = (records: AsyncIterable<AnyRecord>): AsyncIterable<AnyRecord> =>
    configOnly(noted(records, seen))
  return await built({ dockerfile, buildArgs: args ?? {}, edit }, got => {
    if (want.error !== undefined || want.ErrFn !== undefined)
      return 'refused' in got ? 'pass' : { fail: 'was built' }
    if ('refused' in got) return want.Unrecognized ? 'policy:unknown-instructions' : { fail: got.refused }
    const verdict = same(settings(got.config, want.Config), settings(want.Config ?? {}, want.Config))
    // As in Docker, the environment of the base stays; that test compares the environment of its own run.
    if (verdict !== 'pass') return want.Image?.Config ? 'policy:base-environment' : verdict
    const runs = (want.Runs ?? []).map(({ Args = [], Shell }: Json) => ({ Args, ...(Shell && { Shell }) }))
    return same(work(seen), { runs, copies: (want.Copies ?? []).map(transferOf) })
  })
}

async function* noted(
  records: AsyncIterable<AnyRecord>,
  seen: InstructionFields[],
): AsyncGenerator<AnyRecord> {
  for await (const record of records) {
    seen.push(record as unknown as InstructionFields)
    yield record
  }
}

/**
 * Fields without meaning are left out: `Image` was used by old versions of Docker, a time of 0 is the engine's default,
 * and an image without a base has a default path.
 */
function settings({ Image: _, ...fields }: Json, wanted: Json): Json {
  const kept = Object.entries(fields).filter(
    ([name]) => wanted?.[name] !== undefined || !['ArgsEscaped', 'WorkingDir'].includes(name),
  )
  const check = fields.Healthcheck
  const env = (fields.Env ?? []).filter((entry: string) => !entry.startsWith('PATH=/usr/local/sbin:'))
  return {
    ...Object.fromEntries(kept),
    Env: env.length > 0 ? env : undefined,
    Healthcheck: check && Object.fromEntries(Object.entries(check).filter(([, value]) => value !== 0)),
  }
}

function work(list: readonly InstructionFields[]): Json {
  const runs: Json[] = []
  const copies: Json[] = []
  let workdir = '/'
  for (const step of list.map(fields => interpret(fields))) {
    if (step.kind === 'from') workdir = '/'
    if (step.kind === 'workdir') workdir = path.posix.resolve(workdir, step.path)
    if (step.kind === 'run') runs.push({ Args: step.command, ...(step.shell && { Shell: true }) })
    if (step.kind !== 'copy' && step.kind !== 'add') continue
    const From = 'from' in step ? step.from : undefined
    const Dest = path.posix.resolve(workdir, step.dest)
    copies.push(transferOf({ Src: step.sources, Dest, Download: step.kind === 'add', From }))
  }
  return { runs, copies }
}

function transferOf({ Src, Dest, Download = false, From = '' }: Json): Json {
  return { Src: Src ?? [], Dest: path.posix.resolve('/', Dest ?? ''), Download, From: From ?? '' }
}

export const adapters: Record<string, Adapter> = {
  'moby/workdir': workdir,
  'moby/chown-flag': chown,
  'moby/dispatch-errors': refusedTransfer,
  'moby/add-url-name': downloadName,
  'imagebuilder/args': argument,
  'imagebuilder/build-config': config,
}

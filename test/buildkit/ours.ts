/**
 * Builds with our own pipe, whose programs are joined in this process.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import path from 'node:path'
import { Readable } from 'node:stream'
import type { Digest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { kfParse } from '@pipelayer/kf-parse'
import { kfRun } from '@pipelayer/kf-run'
import { layerPack } from '@pipelayer/layer-pack'
import { manifestGen } from '@pipelayer/manifest-gen'
import { platformOfNode } from '@pipelayer/oci'
import { ovlDiff } from '@pipelayer/ovl-diff'
import { type AnyRecord, collect, type ManifestRecord, pipe } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { ROOT } from '@pipelayer/testkit'
import type { BuildCase } from './cases.js'
import type { Built, ImageConfig } from './result.js'

/** Builds a case. If the case names a base, it is found in the store. */
export async function buildOurs(one: BuildCase, storeDir: string, tag?: string): Promise<Built> {
  try {
    const all = await collect(records(one, storeDir, tag))
    if (tag !== undefined) name(all, Store.open(storeDir), tag)
    return builtOf(all)
  } catch (error) {
    if (error instanceof ToolError) return { error: error.message }
    throw error
  }
}

function records(one: BuildCase, storeDir: string, tag: string | undefined): AsyncIterable<AnyRecord> {
  const store = Store.open(storeDir)
  const executor = path.join(ROOT, 'tools/kf-run/dist/executor.cjs')
  const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env
  const now = new Date()
  const run = {
    store: storeDir,
    build: {
      context: one.context,
      target: one.target,
      args: one.buildArgs ?? [],
      contexts: one.contexts ?? [],
    },
    steps: { executor, secrets: one.secrets ?? [] },
    env,
    signal: new AbortController().signal,
    now,
  }
  const described = {
    store,
    ...(tag === undefined ? {} : { tag }),
    index: false,
    newConfig: false,
    mediaTypes: undefined,
    platform: undefined,
    author: undefined,
    annotations: {},
    edits: {},
    created: now.toISOString(),
    defaultPlatform: platformOfNode(process),
  }
  return pipe(
    kfParse(one.dockerfile, { stdin: Readable.from([]) }),
    input => kfRun(input, run),
    input => ovlDiff(input, {}),
    input => layerPack(input, { store, compress: { format: 'none' } }),
    input => manifestGen(input, described),
  )
}

function name(all: readonly AnyRecord[], store: Store, reference: string): void {
  const { mediaType, digest, size } = all.find(({ type }) => type === 'manifest') as ManifestRecord
  store.tag({ mediaType, digest: digest as Digest, size }, reference)
}

function builtOf(all: readonly AnyRecord[]): Built {
  const config = all.find(({ type }) => type === 'config')?.config as ImageConfig
  const layers = all
    .filter(record => record.type === 'layer' && record.empty !== true)
    .map(({ diffID, path: file }) => ({ diffID: String(diffID), file: String(file) }))
  return { config, layers }
}

/** Packs a tree into the store as an image; `flags` are manifest-gen's. */
export function packBase(
  dir: string,
  { store, reference, flags }: { readonly store: string; readonly reference: string; readonly flags: string },
): void {
  const command = `layer-pack --dir "$1" --compress none | manifest-gen -t "$2" ${flags} | blob-put "store:$2"`
  const { status, stderr } = spawnSync('bash', ['-o', 'pipefail', '-c', command, 'pack', dir, reference], {
    env: {
      ...process.env,
      NODE_EXTRA_CA_CERTS: '',
      PIPELAYER_STORE: store,
      PATH: `${ROOT}/bin:${process.env.PATH}`,
    },
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`cannot pack ${dir}: ${stderr}`)
}

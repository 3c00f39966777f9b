/**
 * The build pipe as one Node process: the tools' generators joined by `pipe`.
 *
 * @module
 */
import path from 'node:path'
import { Readable } from 'node:stream'
import { blobPut } from '@pipelayer/blob-put'
import { kfParse } from '@pipelayer/kf-parse'
import { kfRun } from '@pipelayer/kf-run'
import { layerPack } from '@pipelayer/layer-pack'
import { manifestGen } from '@pipelayer/manifest-gen'
import { platformOfNode } from '@pipelayer/oci'
import { ovlDiff } from '@pipelayer/ovl-diff'
import { type AnyRecord, pipe } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { ROOT } from '@pipelayer/testkit'

export interface InProcessBuild {
  readonly context: string
  readonly store: string
  readonly tag: string
  readonly place: string
  /** Seconds since 1970. */
  readonly sourceDateEpoch: number
}

/** Builds `context`/Dockerfile to a place; nothing but kf-run's executor is another process. */
export function buildInProcess(build: InProcessBuild): AsyncIterable<AnyRecord> {
  const store = Store.open(build.store)
  const env = { ...process.env, SOURCE_DATE_EPOCH: String(build.sourceDateEpoch) }
  const { signal } = new AbortController()
  const now = new Date(build.sourceDateEpoch * 1000)
  const executor = path.join(ROOT, 'tools/kf-run/dist/executor.cjs')
  const run = {
    store: build.store,
    build: { context: build.context },
    steps: { executor },
    env,
    signal,
    now,
  }
  const described = {
    store,
    tag: build.tag,
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
    kfParse(path.join(build.context, 'Dockerfile'), { stdin: Readable.from([]) }),
    records => kfRun(records, run),
    records => ovlDiff(records, {}),
    records =>
      layerPack(records, { store, compress: { format: 'gzip' }, sourceDateEpoch: build.sourceDateEpoch }),
    records => manifestGen(records, described),
    records => blobPut(records, { store: build.store, place: build.place, env, signal }),
  )
}

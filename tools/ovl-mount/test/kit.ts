import fs from 'node:fs'
import path from 'node:path'
import type { Caller } from '@pipelayer/containers'
import { digestOf } from '@pipelayer/digest'
import { type AnyRecord, collect, type MountRecord } from '@pipelayer/records'
import { Store } from '@pipelayer/store'
import { handmade, type Item, mountsBelow, type Scope, tempDir } from '@pipelayer/testkit'
import { dirsIn } from '../src/arguments.js'
import { type MountJob, type OvlMountOptions, ovlMount } from '../src/index.js'

/** A folder with a store, in which mounts are made by their names. */
export class MountKit {
  readonly dir: string
  readonly root: string
  readonly warnings: string[] = []
  caller: Caller = { kind: 'root' }

  constructor(t: Scope) {
    this.dir = tempDir(t, 'mount')
    this.root = path.join(this.dir, 'store')
  }

  path(...names: readonly string[]): string {
    return path.join(this.dir, ...names)
  }

  /** Writes files; a name that ends in `/` is a directory. */
  write(...names: readonly string[]): void {
    for (const name of names) {
      fs.mkdirSync(this.path(name.endsWith('/') ? name : path.dirname(name)), { recursive: true })
      if (!name.endsWith('/')) fs.writeFileSync(this.path(name), name)
    }
  }

  read(name: string): string {
    return fs.readFileSync(this.path(name), 'utf8')
  }

  names(dir: string): string[] {
    return fs.readdirSync(this.path(dir)).sort()
  }

  run(job: OvlMountOptions['job'], records: readonly AnyRecord[] = []): Promise<AnyRecord[]> {
    return collect(
      ovlMount(each(records), {
        job,
        store: this.root,
        caller: this.caller,
        env: process.env,
        isStdinFree: true,
        now: new Date(),
        signal: new AbortController().signal,
        onWarning: message => this.warnings.push(message),
      }),
    )
  }

  /** Mounts directories; `lowers` is written as on the command line, with names in the folder. */
  async mount(target: string, lowers: string, more: Partial<MountJob> = {}): Promise<MountRecord> {
    const { upper, work, over = false } = more
    const job = {
      kind: 'mount',
      over,
      target: this.path(target),
      lowers: dirsIn(lowers).map(name => this.path(name)),
      ...(upper === undefined ? {} : { upper: this.path(upper) }),
      ...(work === undefined ? {} : { work: this.path(work) }),
    } as const
    return (await this.run(job)).at(-1) as MountRecord
  }

  /** Mounts the image of records. */
  async image(
    target: string,
    records: readonly AnyRecord[],
    more: Partial<MountJob> = {},
  ): Promise<AnyRecord[]> {
    return await this.run({ kind: 'mount', over: false, ...more, target: this.path(target) }, records)
  }

  unmount(target: string, lazy = { lazy: false }): Promise<AnyRecord[]> {
    return this.run({ kind: 'unmount', targets: [this.path(target)], ...lazy })
  }

  list(...targets: readonly string[]): Promise<AnyRecord[]> {
    return this.run({ kind: 'list', targets: targets.map(target => this.path(target)) })
  }

  /** The mounts and notes that there are. */
  left(): { mounts: string[]; notes: string[] } {
    const folder = path.join(this.root, 'mounts')
    const notes = fs.existsSync(folder) ? fs.readdirSync(folder).filter(name => name !== 'lock') : []
    return { mounts: mountsBelow(this.dir), notes }
  }

  /** The records of an image of these layers, whose blobs lie in the store. */
  imageOf(...layers: readonly (readonly Item[])[]): AnyRecord[] {
    const store = Store.open(this.root)
    const parts = layers.map(items => store.putBytes(handmade(items)))
    store.endLease()
    const rootfs = { type: 'layers', diff_ids: parts.map(({ digest }) => digest) }
    const config = { os: 'linux', architecture: 'amd64', rootfs }
    const mediaType = 'application/vnd.oci.image.layer.v1.tar'
    const records = parts.map(({ digest, size, path: file }) => ({
      type: 'layer',
      image: 'a',
      mediaType,
      digest,
      size,
      diffID: digest,
      path: file,
    }))
    const text = JSON.stringify(config)
    return [
      ...records,
      { type: 'config', image: 'a', mediaType: 'x', digest: digestOf(text), size: text.length, config },
      {
        type: 'manifest',
        image: 'a',
        root: true,
        mediaType: 'x',
        digest: digestOf('manifest'),
        size: 8,
        reference: 'docker.io/library/a:1',
      },
    ]
  }
}

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, void> {
  yield* records
}

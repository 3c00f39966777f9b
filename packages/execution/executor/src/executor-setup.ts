import fs from 'node:fs'
import path from 'node:path'
import { holdsID, type Output, probeRuntime, type Runtime, unmount } from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import { findOverlays, newRoot, type OverlayMounter, type Unpacking } from '@pipelayer/overlays'
import type { IdMap } from '@pipelayer/records'
import { ownIdMap } from '@pipelayer/rootfs'
import type { ImagesAction, Note, StartRequest, TreeForm } from '@pipelayer/steps'
import { mount } from '@pipelayer/sys'

export type Notify = (note: Note) => void

/** The parts of an executor that its program brings along. */
export interface ExecutorParts {
  /** The file of the program for the threads that unpack layers; undefined if layers are unpacked without threads. */
  readonly layerThread?: string | undefined
  /** Brings the container images that a root filesystem names into its registry. */
  readonly bringImages: (setup: ExecutorSetup, action: ImagesAction, target: string) => Promise<void>
}

/** The folders, runtimes and mounts that the executor works with. They are found out once. */
export class ExecutorSetup {
  readonly work: string
  readonly form: TreeForm
  readonly xattrs: 'trusted' | 'user'
  readonly env: Readonly<Record<string, string>>
  readonly #notify: Notify
  readonly parts: ExecutorParts
  readonly overlays: OverlayMounter
  /** The ids that exist in the user namespace of the executor. */
  readonly ids: IdMap
  readonly #wanted: StartRequest['runtime']
  #runtime: Promise<Runtime> | undefined
  #count = 0

  private constructor(
    request: StartRequest,
    overlays: OverlayMounter,
    found: { form: TreeForm; notify: Notify; parts: ExecutorParts },
  ) {
    this.work = request.work
    this.xattrs = request.xattrs
    this.env = request.env
    this.ids = ownIdMap()
    this.#wanted = request.runtime
    this.overlays = overlays
    this.form = found.form
    this.#notify = found.notify
    this.parts = found.parts
  }

  static start(request: StartRequest, notify: Notify, parts: ExecutorParts): ExecutorSetup {
    const memory = path.join(request.work, 'memory')
    fs.mkdirSync(memory, { mode: 0o700 })
    mount('tmpfs', memory, 'tmpfs', { data: 'mode=0700' })
    fs.mkdirSync(path.join(request.work, 'runtime'), { mode: 0o700 })
    const probe = path.join(request.work, 'probe')
    fs.mkdirSync(probe)
    const { xattrs, env, overlays: wanted } = request
    const searchPath = env.PATH
    const overlays = findOverlays(probe, path.join(request.work, 'names'), { xattrs, searchPath, wanted })
    if (!overlays.works)
      notify({ note: 'warning', message: `steps are kept as whole copies: ${overlays.problem}` })
    else if (overlays.problem !== undefined)
      notify({ note: 'info', message: `fuse-overlayfs mounts: ${overlays.problem}` })
    return new ExecutorSetup(request, overlays.mounter, {
      form: overlays.works ? 'overlay' : 'tree',
      notify,
      parts,
    })
  }

  /** A folder in memory, for files that may hold secrets. */
  get memory(): string {
    return path.join(this.work, 'memory')
  }

  get inUserNamespace(): boolean {
    return this.xattrs === 'user'
  }

  get ttyGroup(): boolean {
    return holdsID(this.ids.gid, 5)
  }

  get places(): { readonly state: string; readonly bundles: string } {
    return { state: path.join(this.work, 'runtime'), bundles: this.memory }
  }

  warn = (message: string): void => this.#notify({ note: 'warning', message })

  inform(message: string): void {
    this.#notify({ note: 'info', message })
  }

  /** The output of a step, which is passed on to kf-run. */
  outputOf(from: string): Output {
    return { take: lines => this.#notify({ note: 'output', from, message: lines.toString('latin1') }) }
  }

  /** Makes a new directory in the work directory, which only we can read. */
  newDir(kind: string): string {
    const dir = path.join(this.work, `${kind}-${this.#count++}`)
    fs.mkdirSync(dir, { mode: 0o700 })
    return dir
  }

  /** How layers are unpacked. */
  get unpacking(): Unpacking {
    return {
      xattrs: this.xattrs,
      program: this.parts.layerThread,
      newRoot: () => newRoot(this.newDir('layer')),
      onWarning: this.warn,
    }
  }

  /** Returns the name for a new file in memory, which only we can read. */
  newSecretFile(): string {
    return path.join(this.memory, `secret-${this.#count++}`)
  }

  /** The runtime that runs commands. It is looked for at the first RUN, and reported then. */
  runtime(): Promise<Runtime> {
    this.#runtime ??= this.#probe()
    return this.#runtime
  }

  async #probe(): Promise<Runtime> {
    const { runtime, refused } = await probeRuntime({
      wanted: this.#wanted,
      searchPath: this.env.PATH,
      inUserNamespace: this.inUserNamespace,
      places: this.places,
      work: this.newDir('host'),
    })
    const name = runtime.kind === 'oci' ? runtime.name : 'chroot in new namespaces'
    this.inform(`RUN uses ${name}${refused.length > 0 ? ` (${refused.join('; ')})` : ''}`)
    return runtime
  }

  /** Shows a chain as one tree to read from, with a function that removes it again. */
  openChain(lowers: readonly string[]): { readonly dir: string; readonly close: () => void } {
    const [only] = lowers
    if (this.form === 'tree') {
      if (lowers.length > 1) throw overlayLost()
      return { dir: only ?? this.newDir('empty'), close: () => {} }
    }
    const dir = this.newDir('chain')
    this.overlays.mount({ lowers }, dir)
    return { dir, close: () => unmount(dir) }
  }
}

/** The cache has steps in overlay form, and overlays cannot be mounted any more. The user can build with --no-cache. */
export function overlayLost(): ToolError {
  return new ToolError(
    'OVERLAY_LOST',
    'the cached steps need overlay mounts, which do not work here any more: build with --no-cache',
  )
}

import fs from 'node:fs'
import path from 'node:path'
import { type Digest, isDigest } from '@pipelayer/digest'
import { errnoOf } from '@pipelayer/errors'
import { STEP_NOTE, TREE, type TreeForm, UPPER } from '@pipelayer/steps'
import type { Store } from '@pipelayer/store'
import { layerFields, type PackedStep, packedStep } from './packed-step.js'

/** The folder of an executed step. */
export interface StepFolder {
  /** Absolute: it holds `upper` or `tree`. */
  readonly dir: string
  readonly form: TreeForm
}

/** A step that is in the store. */
export interface DoneStep {
  /** Names the content: two steps of different content in this store never have the same key. */
  readonly cacheKey: Digest
  readonly created: string
  /** Absent if the store has only the layer that the step was packed into. */
  readonly folder?: StepFolder
}

/**
 * The executed steps in the store: `steps/FORM/<key>` for steps in overlay form, `steps/FORM-tree/<key>` for whole
 * trees. Beside a step, `<key>.current` names the step that replaced it in a build with --no-cache. That step has a key
 * of its own, so that the packed layer of the old step is not used for it.
 */
export class StepCache {
  readonly #store: Store
  readonly #form: string

  constructor(store: Store, form: string) {
    this.#store = store
    this.#form = form
  }

  /** Where the step of this key is, or would be. */
  dir(key: Digest, form: TreeForm): string {
    return this.#store.stepPath(formName(this.#form, form), key)
  }

  /** Where the unpacked top layer of a chain is, or would be. */
  layerDir(chainID: Digest, form: TreeForm): string {
    return this.#store.layerPath(formName(this.#form, form), chainID)
  }

  cacheDir(): string {
    return path.join(this.#store.folder('caches'), this.#form)
  }

  /** The step of a key: its folder, or at least the layer that it was packed into. */
  find(key: Digest): DoneStep | undefined {
    const forms = ['overlay', 'tree'] as const
    const current = forms.map(form => this.#current(key, form)).find(found => found !== undefined)
    return (current === undefined ? undefined : this.#find(current)) ?? this.#find(key)
  }

  /** Remembers the layer of a step whose blob is in the store. */
  keepPacked(key: Digest, encoding: string, packed: PackedStep): void {
    const { created } = packed
    this.#store.putPacked(key, encoding, { type: 'layer', created, ...layerFields(packed) })
  }

  /** The layers that a step was packed into, by the name of the encoding. */
  packed(key: Digest): ReadonlyMap<string, PackedStep> {
    const found = new Map<string, PackedStep>()
    for (const [encoding, record] of this.#store.listPacked(key)) {
      const packed = packedStep(record)
      if (packed) found.set(encoding, packed)
    }
    return found
  }

  /** Makes a key lead to a step that was executed anew. */
  replace(key: Digest, by: Digest, form: TreeForm): void {
    const link = `${this.dir(key, form)}.current`
    const temporary = `${link}.${process.pid}`
    fs.rmSync(temporary, { force: true })
    fs.symlinkSync(by, temporary)
    fs.renameSync(temporary, link)
  }

  #find(key: Digest): DoneStep | undefined {
    for (const form of ['overlay', 'tree'] as const) {
      const found = this.#read(key, form)
      if (found) return found
    }
    const [packed] = this.packed(key).values()
    return packed && { cacheKey: key, created: packed.created }
  }

  #current(key: Digest, form: TreeForm): Digest | undefined {
    try {
      const target = fs.readlinkSync(`${this.dir(key, form)}.current`)
      return isDigest(target) ? target : undefined
    } catch (error) {
      if (['ENOENT', 'ENOTDIR', 'EINVAL'].includes(errnoOf(error) ?? '')) return undefined
      throw error
    }
  }

  #read(key: Digest, form: TreeForm): DoneStep | undefined {
    const dir = this.dir(key, form)
    try {
      const note: unknown = JSON.parse(fs.readFileSync(path.join(dir, STEP_NOTE), 'utf8'))
      const created: unknown =
        typeof note === 'object' && note !== null ? Reflect.get(note, 'created') : undefined
      if (typeof created !== 'string') return undefined
      this.#store.touch(dir)
      return { cacheKey: key, folder: { dir, form }, created }
    } catch (error) {
      // A damaged note only means that the step is executed again.
      if (error instanceof SyntaxError || errnoOf(error) === 'ENOENT') return undefined
      throw error
    }
  }
}

/** The content of a step's folder: its upper directory, or the whole tree. */
export function contentDir({ dir, form }: StepFolder): string {
  return path.join(dir, form === 'overlay' ? UPPER : TREE)
}

function formName(form: string, kind: TreeForm): string {
  return kind === 'overlay' ? form : `${form}-tree`
}

/**
 * The result of a build, in the form in which two builders are compared.
 *
 * @module
 */
import { applyLayers, type ImageTree, type TreeChanges, treeChanges } from './image-tree.js'

/** An image config. Spec: image-spec v1.1, config.md. */
export interface ImageConfig {
  readonly config?: Readonly<Record<string, unknown>>
  readonly rootfs: { readonly diff_ids: readonly string[] }
  readonly history?: readonly {
    readonly created_by?: string
    readonly comment?: string
    readonly author?: string
    readonly empty_layer?: boolean
  }[]
  readonly [field: string]: unknown
}

/** An image with its layers as uncompressed tars, or the reason why there is none. */
export type Built =
  | {
      readonly config: ImageConfig
      /** Lowest first. A layer of a base may have no file. */
      readonly layers: readonly { readonly diffID: string; readonly file: string }[]
    }
  | { readonly error: string }

/** A base image: the number of its layers, and the tree that they give. */
export interface Base {
  readonly diffIDs: readonly string[]
  readonly tree: ImageTree
}

/** The result that is compared and recorded. */
export type Result =
  | { readonly error: string }
  | {
      /** The fields of the config; empty ones are left out. */
      readonly config: Readonly<Record<string, unknown>>
      /** `created_by` of each entry. */
      readonly history: readonly string[]
      /** Which entries of the history have no layer. */
      readonly empty: readonly boolean[]
      /** The differences from the base. */
      readonly tree: TreeChanges
    }

/** Brings the result of a build into the form that is compared. */
export async function resultOf(built: Built, bases: readonly Base[]): Promise<Result> {
  if ('error' in built) return { error: built.error }
  const { config, layers } = built
  const base = baseOf(config, bases)
  const own = layers.slice(base.diffIDs.length).map(layer => layer.file)
  const tree = await applyLayers(base.tree, own)
  const entries = config.history ?? []
  return {
    config: plainConfig(config),
    history: entries.map(entry => entry.created_by ?? ''),
    empty: entries.map(entry => entry.empty_layer === true),
    tree: treeChanges(tree, base.tree),
  }
}

function baseOf(config: ImageConfig, bases: readonly Base[]): Base {
  const { diff_ids: diffIDs } = config.rootfs
  const fitting = bases.filter(base => base.diffIDs.every((id, index) => diffIDs[index] === id))
  const none: Base = { diffIDs: [], tree: new Map() }
  return fitting.reduce((best, base) => (base.diffIDs.length > best.diffIDs.length ? base : best), none)
}

/**
 * Fields that are not compared: times, layers (their trees are compared instead), and fields of the engine's classic
 * builder.
 */
const LEFT_OUT = new Set([
  'created',
  'history',
  'rootfs',
  'config',
  'container',
  'container_config',
  'docker_version',
])

// Engines write null, "" and [] for some fields that are not set. These count as not set.
function plainConfig(config: ImageConfig): Record<string, unknown> {
  const outer = Object.entries(config).filter(([name]) => !LEFT_OUT.has(name))
  const inner = Object.entries(config.config ?? {}).filter(([, value]) => isSet(value))
  return Object.fromEntries([...outer, ...inner.sort(([a], [b]) => (a < b ? -1 : 1))])
}

function isSet(value: unknown): boolean {
  if (value === null || value === undefined || value === '' || value === false) return false
  return typeof value !== 'object' || Object.keys(value).length > 0
}

import { isDigest, isWellFormedDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import { REF_NAME, type StoredDescriptor } from './descriptor.js'

/** index.json of a layout. Fields we do not know stay as they are. Spec: image-spec v1.1, image-layout.md. */
export interface LayoutIndex {
  readonly schemaVersion: 2
  readonly manifests: readonly StoredDescriptor[]
  readonly [field: string]: unknown
}

export const EMPTY_INDEX: LayoutIndex = {
  schemaVersion: 2,
  mediaType: 'application/vnd.oci.image.index.v1+json',
  manifests: [],
}

/** @throws {ToolError} `LAYOUT_INVALID` */
export function parseLayoutIndex(text: string, file: string): LayoutIndex {
  const wrong = (why: string): ToolError => new ToolError('LAYOUT_INVALID', `cannot use "${file}": ${why}`)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw wrong('it is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong('it is not an object')
  // Some programs write "manifests": null for an empty layout.
  const manifests: unknown = Reflect.get(value, 'manifests') ?? []
  if (!Array.isArray(manifests)) throw wrong('"manifests" is not an array')
  const bad = manifests.findIndex(descriptor => !isDescriptor(descriptor))
  if (bad >= 0) throw wrong(`"manifests" ${bad} is not a descriptor`)
  return { ...value, schemaVersion: 2, manifests: manifests as StoredDescriptor[] }
}

function isDescriptor(value: unknown): value is StoredDescriptor {
  if (typeof value !== 'object' || value === null) return false
  const { digest, size, mediaType } = value as Record<string, unknown>
  if (typeof digest !== 'string' || !isWellFormedDigest(digest)) return false
  return Number.isSafeInteger(size) && (size as number) >= 0 && typeof mediaType === 'string'
}

/** An entry for index.json, under `name` where given. */
export interface NamedEntry {
  readonly descriptor: StoredDescriptor
  readonly name?: string | undefined
}

/**
 * The index with these entries added. An entry with a name replaces others of that name; of several new ones with a
 * name the last counts. An entry without a name is listed once. The time is linear in the entries of both.
 */
export function withEntries(index: LayoutIndex, entries: readonly NamedEntry[]): LayoutIndex {
  const named = new Map<string, StoredDescriptor>()
  for (const { descriptor, name } of entries) if (name !== undefined) named.set(name, descriptor)
  const digests = new Set([...named.values()].map(({ digest }) => digest))
  // An entry under another name is kept; an entry without a name is replaced by the named one of the same digest.
  const others = index.manifests.filter(entry => {
    const name = entry.annotations?.[REF_NAME]
    return name === undefined ? !digests.has(entry.digest) : !named.has(name)
  })
  for (const { digest } of others) digests.add(digest)
  const added: StoredDescriptor[] = []
  for (const { descriptor, name } of entries) {
    if (name !== undefined || digests.has(descriptor.digest)) continue
    digests.add(descriptor.digest)
    added.push(descriptor)
  }
  for (const [name, descriptor] of named) {
    added.push({ ...descriptor, annotations: { ...descriptor.annotations, [REF_NAME]: name } })
  }
  return added.length === 0 ? index : { ...index, manifests: [...others, ...added] }
}

/** The entries that a name stands for: those with this name, or with this digest. */
export function entriesOf(index: LayoutIndex, name: string): StoredDescriptor[] {
  // A name that is a digest stands for nothing else.
  const named = isDigest(name) ? [] : index.manifests.filter(entry => entry.annotations?.[REF_NAME] === name)
  return named.length > 0 ? named : index.manifests.filter(entry => entry.digest === name)
}

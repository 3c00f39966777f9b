/**
 * The text of a `containers-storage:` place: see `containers-storage.ts`.
 *
 * @module
 */
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'

export const TRANSPORT = 'containers-storage:'
const ID = /^[0-9a-f]{64}$/
/** The shortest beginning of an id that stands for an image. */
const ID_PREFIX = /^[0-9a-f]{6,64}$/
const HUB = 'docker.io/'
const OFFICIAL = 'docker.io/library/'
/** Images that podman built have this domain where none was said. */
const LOCAL = 'localhost/'

/** The parts of a `containers-storage:` name. */
export interface StorageName {
  /** The text between brackets, split; absent for the usual storage. */
  readonly storage?: {
    readonly root: string
    readonly driver?: string
    readonly additional: readonly string[]
  }
  /** As it was given. */
  readonly reference?: string
  /** An id, or the beginning of one. */
  readonly id?: string
}

/**
 * Splits the text after `containers-storage:`. OPTIONS are those of podman's `--storage-opt`, of which
 * `imagestore` and `additionalimagestores` matter.
 *
 * @throws ToolError `PLACE_INVALID`, `REFERENCE_INVALID`
 */
export function parseStorage(rest: string): StorageName {
  const brackets = /^\[([^\]]*)\]/.exec(rest)
  if (brackets === null && rest.startsWith('['))
    throw new ToolError('PLACE_INVALID', `invalid place "${TRANSPORT}${rest}": there is no "]"`)
  const storage = brackets?.[1] ? { storage: parseSpecifier(brackets[1]) } : {}
  const image = rest.slice(brackets?.[0].length ?? 0).replace(/^sha256:(?=[0-9a-f]{64}$)/, '')
  if (image === '') return storage
  const at = image.lastIndexOf('@')
  const behind = image.slice(at + 1)
  if (ID.test(behind) || (at === 0 && ID_PREFIX.test(behind))) return { ...storage, id: behind }
  parseNormalized(image)
  return { ...storage, reference: image, ...(ID_PREFIX.test(image) && { id: image }) }
}

function parseSpecifier(text: string): NonNullable<StorageName['storage']> {
  const [, driver, root = '', options = ''] =
    /^(?:([a-z0-9]+)@)?([^+:]*)(?:\+[^:]*)?(?::(.*))?$/.exec(text) ?? []
  if (root === '')
    throw new ToolError(
      'PLACE_INVALID',
      `invalid place "${TRANSPORT}[${text}]": expected [DRIVER@ROOT+RUNROOT:OPTIONS], of which ROOT is needed`,
    )
  const additional = options
    .split(',')
    .flatMap(option => /^(?:[a-z0-9]+\.)?(?:imagestore|additionalimagestores?)=(.+)$/.exec(option)?.[1] ?? [])
  return {
    root: path.resolve(root),
    ...(driver !== undefined && { driver }),
    additional: additional.map(folder => path.resolve(folder)),
  }
}

/** The name that Docker makes of a short one, then the one that podman gives to what it builds. */
export function fullNames(reference: string): readonly string[] {
  const full = formatReference(withDefaultTag(parseNormalized(reference)))
  if (reference.startsWith(HUB) || !full.startsWith(HUB)) return [full]
  return [full, LOCAL + full.slice((full.startsWith(OFFICIAL) ? OFFICIAL : HUB).length)]
}

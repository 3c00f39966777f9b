import { ToolError } from '@pipelayer/errors'
import { containerdImages, openContainerd } from './containerd.js'
import { openContainersStorage, storageImages } from './containers-storage.js'
import { openDirectory } from './directory.js'
import { openDocker } from './docker.js'
import { openDockerArchive } from './docker-archive.js'
import { openDockerDaemon } from './docker-daemon.js'
import { dockerStoreImages, openDockerStore } from './docker-store.js'
import { openLocal } from './local.js'
import { openOci } from './oci.js'
import { openOciArchive } from './oci-archive.js'
import type { Place, PlaceOptions } from './place.js'
import { openRegistryFolder } from './registry-fs.js'

/**
 * All transports: the word before the first colon, and the function that opens the rest. A new kind of place is a line
 * here.
 */
const TRANSPORTS: ReadonlyMap<string, (rest: string, options: PlaceOptions) => Place> = new Map([
  ['containerd', openContainerd],
  ['containers-storage', openContainersStorage],
  ['dir', openDirectory],
  ['docker', openDocker],
  ['docker-archive', openDockerArchive],
  ['docker-daemon', openDockerDaemon],
  ['docker-store', openDockerStore],
  ['oci', openOci],
  ['oci-archive', openOciArchive],
  ['registry-fs', openRegistryFolder],
  ['store', openLocal],
])
/** Transports of which a place may stand for many images, and the function that lists the place of each. */
const LISTED: ReadonlyMap<string, (rest: string, env: PlaceOptions['env']) => readonly string[]> = new Map([
  ['containerd', containerdImages],
  ['containers-storage', storageImages],
  ['docker-store', dockerStoreImages],
])
/** Transports of containers-transports(5) that we do not have. A text that begins with one is no image name. */
const FOREIGN = new Set(['ostree', 'sif', 'tarball'])

/** A place, split into transport and rest. */
export interface PlaceName {
  readonly transport: string
  /** The text after the first colon. */
  readonly rest: string
}

/**
 * Splits a place into transport and rest. Text without a transport is a reference, as if `docker://` stood before it.
 *
 * ```ts
 * parsePlace('oci:out:app:1') // { transport: 'oci', rest: 'out:app:1' }
 * ```
 *
 * @throws ToolError `PLACE_UNSUPPORTED`, `PLACE_INVALID`
 */
export function parsePlace(text: string): PlaceName {
  const colon = text.indexOf(':')
  const transport = colon < 0 ? '' : text.slice(0, colon)
  if (FOREIGN.has(transport)) {
    const known = [...TRANSPORTS.keys()].join(', ')
    throw new ToolError('PLACE_UNSUPPORTED', `cannot use the place "${text}": known are ${known}`)
  }
  if (!TRANSPORTS.has(transport)) return { transport: 'docker', rest: `//${text}` }
  const rest = text.slice(colon + 1)
  if (transport === 'docker' && !rest.startsWith('//')) {
    throw new ToolError('PLACE_INVALID', `invalid place "${text}": expected docker://HOST/NAME`)
  }
  return { transport, rest }
}

/**
 * Opens a place, to read an image from it or to write one to it. Nothing is read, written or connected to yet. The
 * caller closes it.
 *
 * ```ts
 * const place = openPlace('oci:out:app:1', { store: '/srv/store' })
 * try {
 *   const { descriptor } = await place.read.resolve()
 *   console.log(descriptor.digest)
 * } finally {
 *   await place.close()
 * }
 * ```
 *
 * @throws ToolError `PLACE_INVALID`, `PLACE_UNSUPPORTED`, `REFERENCE_INVALID`
 */
export function openPlace(text: string, options: PlaceOptions): Place {
  const { transport, rest } = parsePlace(text)
  const open = TRANSPORTS.get(transport)
  if (open === undefined) throw new ToolError('PLACE_UNSUPPORTED', `cannot use the place "${text}"`)
  return open(rest, options)
}

/**
 * The places of single images that a place stands for: those of a namespace of containerd or of podman's storage, if it
 * is given without the name of an image. Any other place stands for itself.
 *
 * ```ts
 * placesIn('containerd:/var/lib/containerd:k8s.io') // ['containerd:/var/lib/containerd:k8s.io:registry.k8s.io/pause:3.9']
 * ```
 *
 * @throws ToolError as {@link openPlace}; those of the place
 */
export function placesIn(text: string, { env }: Pick<PlaceOptions, 'env'> = {}): readonly string[] {
  const { transport, rest } = parsePlace(text)
  return LISTED.get(transport)?.(rest, env) ?? [text]
}

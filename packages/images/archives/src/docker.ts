/**
 * The documents by which `docker load` finds the images of an archive.
 *
 * ```
 * manifest.json    [{"Config":"blobs/sha256/..","RepoTags":["docker.io/library/app:1"],"Layers":["blobs/sha256/.."]}]
 * repositories     {"app":{"1":"<hex of the top layer>"}}
 * index.json       the same images by their manifests, which only newer engines read
 * ```
 *
 * Spec: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format"; moby 25,
 * image/tarexport/save.go, for the paths below `blobs`.
 *
 * @module
 */
import { encodedOf } from '@pipelayer/digest'
import { REF_NAME } from '@pipelayer/layout'
import { isConfigType, type Manifest, parseLayerType } from '@pipelayer/oci'
import { familiar, parseNormalized } from '@pipelayer/reference'
import { archiveName } from './content.js'

/** The annotation under which containerd, and Docker on it, keep the whole name of an image. */
export const CONTAINERD_NAME = 'io.containerd.image.name'

/** An image as `docker load` knows it: one platform. */
export interface DockerImage {
  readonly manifest: Manifest
  /** Fully qualified, with tags. */
  readonly names: readonly string[]
}

/** True for an image that can be run; false for signatures, attestations and other content with a manifest. */
export function isRunnable({ config, layers }: Manifest): boolean {
  return (
    isConfigType(config.mediaType) && layers.every(({ mediaType }) => parseLayerType(mediaType) !== undefined)
  )
}

// Docker writes short names and reads both kinds; podman would take `app:1` for `localhost/app:1`.
export function manifestJson(images: readonly DockerImage[]): string {
  const entries = images.map(({ manifest, names }) => ({
    Config: archiveName(manifest.config.digest),
    RepoTags: names.length === 0 ? null : names,
    Layers: manifest.layers.map(({ digest }) => archiveName(digest)),
  }))
  return JSON.stringify(entries)
}

export function repositoriesJson(images: readonly DockerImage[]): string {
  const repositories = new Map<string, Map<string, string>>()
  for (const { manifest, names } of images) {
    const top = manifest.layers.at(-1)
    if (top === undefined) continue
    for (const name of names) {
      const { domain, path, tag = 'latest' } = parseNormalized(name)
      const repository = familiar({ domain, path })
      const tags = repositories.get(repository) ?? new Map<string, string>()
      repositories.set(repository, tags.set(tag, encodedOf(top.digest)))
    }
  }
  const plain = [...repositories].map(([name, tags]) => [name, Object.fromEntries(tags)] as const)
  return JSON.stringify(Object.fromEntries(plain))
}

/** The annotations of an image in `index.json`, as Docker and containerd write them. */
export function dockerAnnotations(name: string): Readonly<Record<string, string>> {
  const { tag = 'latest' } = parseNormalized(name)
  return { [CONTAINERD_NAME]: name, [REF_NAME]: tag }
}

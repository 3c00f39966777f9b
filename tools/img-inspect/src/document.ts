import { fullReference } from '@pipelayer/inventory'
import { bare, type Descriptor } from '@pipelayer/oci'
import type { ReadImage } from '@pipelayer/pulling'
import type { ImageRecord } from '@pipelayer/records'
import { familiar } from '@pipelayer/reference'

/**
 * The document of an image: the fields of `docker inspect` with Docker's names and meanings, and all digests that an
 * image has besides.
 *
 * `Id` is the digest of the config, as in an engine with graph drivers; `Digest` is that of the manifest, and `Indexes`
 * are those that led to it. `Size` is what the blobs of the image take as they are stored, in bytes: the store keeps no
 * image unpacked.
 *
 * @param names - the names of the image, in full; a name that is no reference is left out
 */
export function documentOf(image: ReadImage, names: readonly string[]): ImageRecord {
  const { above, descriptor, manifest, config, layers } = image
  const [root = descriptor] = above.map(index => index.descriptor)
  const history = config.history ?? []
  const text = (field: string): string => (typeof config[field] === 'string' ? String(config[field]) : '')
  const blobs = [descriptor, manifest.config, ...layers.map(layer => layer.descriptor)]
  return {
    type: 'image',
    Id: manifest.config.digest,
    RepoTags: names.flatMap(name => tagOf(name) ?? []),
    RepoDigests: [...new Set(names.flatMap(name => repositoryOf(name) ?? []))].map(
      repository => `${repository}@${root.digest}`,
    ),
    Comment: history.at(-1)?.comment ?? '',
    Created: config.created ?? null,
    Author: text('author'),
    Architecture: text('architecture'),
    ...(text('variant') !== '' && { Variant: text('variant') }),
    Os: text('os'),
    ...(text('os.version') !== '' && { OsVersion: text('os.version') }),
    Size: blobs.reduce((sum, { size }) => sum + size, 0),
    Config: config.config ?? null,
    RootFS: { Type: 'layers', Layers: config.rootfs.diff_ids },
    Digest: descriptor.digest,
    Manifest: bare(descriptor),
    Indexes: above.map(index => bare(index.descriptor)),
    ConfigDescriptor: bare(manifest.config),
    Layers: layers.map(layer => ({
      ...bare(layer.descriptor),
      diffID: layer.diffID,
      chainID: layer.chainID,
    })),
    Annotations: annotationsOf(manifest),
    History: history,
  }
}

function annotationsOf({ annotations }: { readonly annotations?: Descriptor['annotations'] }): object {
  return annotations ?? {}
}

function tagOf(name: string): string | undefined {
  const reference = fullReference(name)
  return reference?.tag === undefined ? undefined : familiar(reference)
}

function repositoryOf(name: string): string | undefined {
  const reference = fullReference(name)
  return reference && familiar({ domain: reference.domain, path: reference.path })
}

import { digestOf } from '@pipelayer/digest'
import { type Descriptor, MEDIA_TYPES, type Platform } from '@pipelayer/oci'

/** The part of a layout that images are put into. */
export interface ImageHolder {
  putBytes(bytes: Uint8Array): { readonly digest: string; readonly size: number }
  tag(descriptor: Descriptor & Readonly<Record<string, unknown>>, name?: string): void
}

export interface StoredImageOptions {
  /** The name in the index; without it the image is in no index. */
  readonly name?: string
  /** The texts of the layers, base first: they are no tars. */
  readonly layers?: readonly string[]
  readonly platform?: Platform
  /** More fields of the config. */
  readonly config?: object
  /** More fields of the manifest. */
  readonly manifest?: object
  readonly annotations?: Readonly<Record<string, string>>
}

const LINUX: Platform = { os: 'linux', architecture: 'amd64' }

/** Puts an image into a layout. */
export function storeImage(layout: ImageHolder, options: StoredImageOptions = {}): Descriptor {
  const { name, layers = ['layer'], platform = LINUX, annotations } = options
  const config = {
    ...platform,
    rootfs: { type: 'layers', diff_ids: layers.map(text => digestOf(text)) },
    ...options.config,
  }
  const manifest = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: put(layout, MEDIA_TYPES.ociConfig, JSON.stringify(config)),
    layers: layers.map(text => put(layout, MEDIA_TYPES.ociLayer, text)),
    ...(annotations && { annotations }),
    ...options.manifest,
  }
  return named(layout, { ...put(layout, MEDIA_TYPES.ociManifest, JSON.stringify(manifest)), platform }, name)
}

/** Puts an index of images into a layout. */
export function storeIndex(layout: ImageHolder, manifests: readonly Descriptor[], name?: string): Descriptor {
  const index = { schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }
  return named(layout, put(layout, MEDIA_TYPES.ociIndex, JSON.stringify(index)), name)
}

function put(layout: ImageHolder, mediaType: string, text: string): Descriptor {
  const { digest, size } = layout.putBytes(Buffer.from(text))
  return { mediaType, digest, size }
}

function named(layout: ImageHolder, descriptor: Descriptor, name: string | undefined): Descriptor {
  if (name !== undefined) layout.tag({ ...descriptor }, name)
  return descriptor
}

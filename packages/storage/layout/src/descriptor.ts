/** The fields of a descriptor that the store needs. Spec: image-spec v1.1, descriptor.md. */
export interface StoredDescriptor {
  readonly mediaType: string
  readonly digest: string
  /** Bytes. */
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
  readonly [field: string]: unknown
}

/** The annotation by which index.json names an image. Spec: image-spec v1.1, annotations.md. */
export const REF_NAME = 'org.opencontainers.image.ref.name'

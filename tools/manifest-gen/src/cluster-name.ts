import { isObject } from '@pipelayer/oci'
import type { ConfigRecord } from '@pipelayer/records'

/**
 * The config of a cluster image that was built just now, with the name that it is built under: sealer's id depends on it, and is to
 * stay when the image gets other names. A name that it has stays, and so does every other config.
 */
export function withBuildName(record: ConfigRecord, name: string | undefined): ConfigRecord {
  const { config, digest } = record
  const metadata = isObject(config.metadata) ? config.metadata : {}
  const isOpen = config.kind === 'Image' && digest === undefined && metadata.name === undefined
  return name !== undefined && isOpen
    ? { ...record, config: { ...config, metadata: { ...metadata, name } } }
    : record
}

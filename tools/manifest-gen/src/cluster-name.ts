import { isObject } from '@pipelayer/oci'
import type { ConfigRecord } from '@pipelayer/records'

/**
 * Adds to the config of a newly built cluster image the name under which it is built. sealer's id depends on that name,
 * and must not change when the image gets other names. A config that has a name already, and the config of any other
 * image, is returned as it is.
 */
export function withBuildName(record: ConfigRecord, name: string | undefined): ConfigRecord {
  const { config, digest } = record
  const metadata = isObject(config.metadata) ? config.metadata : {}
  const isOpen = config.kind === 'Image' && digest === undefined && metadata.name === undefined
  return name !== undefined && isOpen
    ? { ...record, config: { ...config, metadata: { ...metadata, name } } }
    : record
}

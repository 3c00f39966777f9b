/**
 * Reads the Clusterfile of an image and its Metadata.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { formatYAML, valueOf, yamlDocuments } from '@pipelayer/yaml'

const DEFAULT = {
  apiVersion: 'sealer.cloud/v2',
  kind: 'Cluster',
  metadata: { name: 'my-cluster' },
  spec: { ssh: { port: '22', user: 'root' } },
}

type Fields = Readonly<Record<string, unknown>>

/**
 * The Clusterfile for an image: `etc/Clusterfile` of its root filesystem or a default, with the image's own name in it.
 *
 * @param text - of `etc/Clusterfile`; its first document of kind Cluster counts
 * @throws ToolError `YAML_INVALID`, `YAML_TOO_LARGE`, `CLUSTERFILE_INVALID` when it has no Cluster
 */
export function clusterfileFor(image: string, text: string | undefined): string {
  const cluster = text === undefined ? DEFAULT : clusterOf(text)
  return formatYAML({
    status: {},
    ...cluster,
    metadata: { creationTimestamp: null, ...fieldsOf(cluster.metadata) },
    spec: { ...fieldsOf(cluster.spec), image },
  })
}

function clusterOf(text: string): Fields {
  const file = 'etc/Clusterfile'
  for (const node of yamlDocuments(text, { file })) {
    const fields = fieldsOf(valueOf(node, file))
    if (fields.kind === 'Cluster') return fields
  }
  throw new ToolError('CLUSTERFILE_INVALID', `${file}: no document of kind Cluster`)
}

/** @throws ToolError `METADATA_INVALID` */
export function parseMetadata(text: string): Fields {
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''))
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  } catch {
    // The error below covers this case too.
  }
  throw new ToolError('METADATA_INVALID', 'Metadata is no JSON object')
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {}
}

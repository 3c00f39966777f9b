/**
 * Merges several cluster images into one.
 *
 * The first is the base. Layers follow in order, each layer and each CMD once. If an argument occurs twice, that of the
 * later image counts. Steps without a layer, except CMD, are dropped, as sealer does.
 *
 * Spec: sealerio/sealer v0.7.1, pkg/image/merge.go; the id is computed last here, not in between.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { valueOf, yamlDocuments } from '@pipelayer/yaml'
import { clusterfileFor } from './clusterfile.js'
import { CLUSTERFILE, type ClusterLayer, type ImageDocument, withID } from './document.js'

/**
 * @param name - the name of the new image
 * @throws ToolError `PLATFORM_MISMATCH` if they are not all for one platform, `CLUSTERFILE_INVALID`, `USAGE` without
 * documents
 */
export function mergeDocuments(name: string, documents: readonly ImageDocument[]): ImageDocument {
  const [base] = documents
  if (base === undefined) throw new ToolError('USAGE', 'nothing to merge', { status: 2 })
  const platform = platformText(base)
  for (const other of documents) {
    if (platformText(other) === platform) continue
    const pair = `${base.metadata.name} is for ${platform}, ${other.metadata.name} for ${platformText(other)}`
    throw new ToolError('PLATFORM_MISMATCH', `cannot merge: ${pair}`)
  }
  const texts = (field: 'args' | 'labels'): Readonly<Record<string, string>> | null => {
    const all = Object.assign({}, ...documents.map(({ spec }) => spec.image_config[field]))
    return Object.keys(all).length === 0 ? null : all
  }
  const annotations = base.metadata.annotations ?? {}
  return withID({
    ...base,
    metadata: {
      ...base.metadata,
      name,
      annotations: { ...annotations, [CLUSTERFILE]: clusterfileFor(name, clusterfileOf(annotations)) },
    },
    spec: {
      ...base.spec,
      image_config: { args: texts('args'), labels: texts('labels') },
      layers: mergedLayers(documents),
    },
  })
}

function clusterfileOf(annotations: Readonly<Record<string, string>>): string | undefined {
  const text = annotations[CLUSTERFILE]
  if (text === undefined) return undefined
  const [node] = yamlDocuments(text, { file: CLUSTERFILE })
  return node === undefined || valueOf(node, CLUSTERFILE) === null ? undefined : text
}

function mergedLayers(documents: readonly ImageDocument[]): readonly ClusterLayer[] {
  const seen = new Set<string>()
  return documents
    .flatMap(({ spec }) => spec.layers ?? [])
    .filter(({ id, type, value }) => {
      const key = type === 'CMD' ? `CMD ${value}` : id
      if (key === undefined || seen.has(key)) return false
      seen.add(key)
      return true
    })
}

function platformText({ spec }: ImageDocument): string {
  const { os = '', architecture = '', variant } = spec.platform
  return [os, architecture, ...(variant ? [variant] : [])].join('/')
}

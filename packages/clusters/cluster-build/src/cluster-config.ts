import { ToolError } from '@pipelayer/errors'
import type { Platform } from '@pipelayer/oci'
import { readChainFile } from './chain-file.js'

/** The field of `metadata.annotations` of `kind: Image` that holds the cluster's default Clusterfile. */
const CLUSTERFILE = 'sea.aliyun.com/ClusterFile'
const MAX_CLUSTERFILE = 1024 * 1024
const MAX_METADATA = 1024 * 1024

/** The Clusterfile that sealer uses if an image has no etc/Clusterfile. */
const DEFAULT_CLUSTERFILE = `apiVersion: sealer.cloud/v2
kind: Cluster
metadata:
  name: my-cluster
spec:
  ssh:
    port: "22"
    user: root
`

/** The properties of a cluster image that its root filesystem states. */
export interface ClusterFacts {
  readonly clusterfile: string
  readonly platform: Platform
}

/**
 * Reads `etc/Clusterfile` and `Metadata` of a finished root filesystem.
 *
 * @param lowers - its directories, nearest first
 * @throws {ToolError} `METADATA_INVALID`, `FILE_TOO_LARGE`
 */
export function clusterFacts(lowers: readonly string[], platform: Platform): ClusterFacts {
  const metadata = readChainFile(lowers, 'Metadata', MAX_METADATA)
  const { arch, variant } = metadata === undefined ? {} : parseMetadata(metadata)
  return {
    clusterfile: readChainFile(lowers, 'etc/Clusterfile', MAX_CLUSTERFILE) ?? DEFAULT_CLUSTERFILE,
    platform:
      arch === undefined ? platform : { os: 'linux', architecture: arch, ...(variant ? { variant } : {}) },
  }
}

/**
 * The fields of sealer's `kind: Image`, without layers, names and ids, which are known only when all layers are packed.
 */
export function imageFields(
  { clusterfile, platform }: ClusterFacts,
  config: { readonly args: ReadonlyMap<string, string>; readonly labels: Readonly<Record<string, string>> },
): Record<string, unknown> {
  const { os, architecture, variant } = platform
  const known = variant === undefined ? {} : { variant }
  return {
    architecture,
    os,
    ...known,
    apiVersion: '',
    kind: 'Image',
    metadata: { annotations: { [CLUSTERFILE]: clusterfile } },
    spec: {
      platform: { architecture, os, ...known },
      image_config: { args: Object.fromEntries(config.args), labels: config.labels },
    },
  }
}

function parseMetadata(text: string): { readonly arch?: string; readonly variant?: string } {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ToolError('METADATA_INVALID', `/Metadata of the image is no JSON: ${(error as Error).message}`)
  }
  if (typeof value !== 'object' || value === null)
    throw new ToolError('METADATA_INVALID', '/Metadata of the image is no JSON object')
  const field = (name: string): Record<string, string> => {
    const found: unknown = Reflect.get(value, name)
    return typeof found === 'string' && found !== '' ? { [name]: found } : {}
  }
  return { ...field('arch'), ...field('variant') }
}

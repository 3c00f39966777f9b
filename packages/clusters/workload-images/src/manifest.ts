/**
 * Finds the images in Kubernetes manifests, and in any other YAML or JSON.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { type YAMLNode, type YAMLPair, yamlDocuments } from '@pipelayer/yaml'
import type { FoundImage } from './found.js'

const POD_LISTS = new Set(['containers', 'initContainers', 'ephemeralContainers'])
/** How many nodes of one document are visited. Aliases can make a small text large. */
const MAX_STEPS = 1_000_000
const MAX_DEPTH = 200

/**
 * Finds every text under a key `image`, in the order of the text, repeated ones included: `container` for those of
 * `containers`, `initContainers` and `ephemeralContainers`, at any depth; `image` for the others.
 *
 * ```ts
 * const text = 'spec: {containers: [{image: nginx:1}]}'
 * const [image] = manifestImages(text, 'pod.yaml') // image.reference is 'nginx:1', image.foundIn 'container'
 * ```
 *
 * @throws ToolError `YAML_INVALID` as `FILE:LINE:COLUMN: ...`, `YAML_TOO_LARGE`
 */
export function* manifestImages(text: string, file: string): Generator<FoundImage, void, void> {
  for (const document of yamlDocuments(text, { file }))
    yield* new Walk(file).images(document, { depth: 0, foundIn: 'image' })
}

/** The position of a node. */
interface Spot {
  readonly depth: number
  /** How an `image` in this node is reported. */
  readonly foundIn: 'container' | 'image'
}

class Walk {
  readonly #file: string
  #left = MAX_STEPS

  constructor(file: string) {
    this.#file = file
  }

  *images(node: YAMLNode, spot: Spot): Generator<FoundImage, void, void> {
    const depth = spot.depth + 1
    if (this.#left-- === 0 || spot.depth > MAX_DEPTH) {
      const limits = `more than ${MAX_STEPS} nodes or ${MAX_DEPTH} levels`
      throw new ToolError('YAML_TOO_LARGE', `${this.#file}:${node.line}: its aliases make ${limits}`)
    }
    if (node.kind === 'scalar') return
    if (node.kind === 'list') {
      for (const item of node.items) yield* this.images(item, { ...spot, depth })
      return
    }
    for (const [key, value] of node.pairs) yield* this.#pair([key, value], { ...spot, depth })
  }

  *#pair([key, value]: YAMLPair, { depth, foundIn }: Spot): Generator<FoundImage, void, void> {
    const name = key.kind === 'scalar' ? key.text : ''
    if (name === 'image' && value.kind === 'scalar') {
      if (isText(value)) yield { reference: value.text, file: this.#file, line: value.line, foundIn }
      return
    }
    // Merged fields count as fields of this map itself.
    const isPodList = POD_LISTS.has(name) && value.kind === 'list'
    yield* this.images(value, { depth, foundIn: name === '<<' ? foundIn : isPodList ? 'container' : 'image' })
  }
}

function isText(node: Extract<YAMLNode, { kind: 'scalar' }>): boolean {
  return node.text.trim() !== '' && !(node.plain && /^(?:~|null|true|false|[-+]?[\d.]+)$/i.test(node.text))
}

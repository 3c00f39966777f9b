/**
 * Finds the images in Kubernetes manifests, and in any other YAML or JSON.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { type YAMLNode, type YAMLPair, yamlDocuments } from '@pipelayer/yaml'
import { configImages, embeddedImages, type Guess, joinedImage } from './embedded.js'
import { child, textOf } from './fields.js'
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
    yield* new Walk(file, { guesses: false }).images(document, { depth: 0, foundIn: 'image' })
}

/**
 * As {@link manifestImages}, and as guesses the images in arguments, variables and ConfigMaps, and those whose
 * repository, image and version stand apart.
 *
 * @throws ToolError as {@link manifestImages}
 */
export function* workloadImages(text: string, file: string): Generator<FoundImage, void, void> {
  for (const document of yamlDocuments(text, { file }))
    yield* new Walk(file, { guesses: true }).images(document, { depth: 0, foundIn: 'image' })
}

/** The position of a node. */
interface Spot {
  readonly depth: number
  /** How an `image` in this node is reported. */
  readonly foundIn: 'container' | 'image'
}

class Walk {
  readonly #file: string
  readonly #guesses: boolean
  #left = MAX_STEPS

  constructor(file: string, { guesses }: { readonly guesses: boolean }) {
    this.#file = file
    this.#guesses = guesses
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
    const joined = this.#guesses && spot.foundIn === 'image' ? joinedImage(node) : undefined
    if (joined !== undefined) yield this.#placed(joined)
    for (const [key, value] of node.pairs)
      if (joined === undefined || !isImageKey(key)) yield* this.#pair([key, value], { ...spot, depth })
    if (this.#guesses && isConfigMap(node))
      for (const one of configImages(child(node, 'data'))) yield this.#placed(one)
  }

  #placed(guess: Guess): FoundImage {
    return { ...guess, file: this.#file }
  }

  *#pair([key, value]: YAMLPair, { depth, foundIn }: Spot): Generator<FoundImage, void, void> {
    const name = key.kind === 'scalar' ? key.text : ''
    if (name === 'image' && value.kind === 'scalar') {
      const why = foundIn === 'container' ? 'the image of a container' : 'a field called image'
      if (isText(value)) yield { reference: value.text, file: this.#file, line: value.line, foundIn, why }
      return
    }
    if (this.#guesses) for (const one of embeddedImages([key, value])) yield this.#placed(one)
    // Merged fields count as fields of this map itself.
    const isPodList = POD_LISTS.has(name) && value.kind === 'list'
    yield* this.images(value, { depth, foundIn: name === '<<' ? foundIn : isPodList ? 'container' : 'image' })
  }
}

function isImageKey(key: YAMLNode): boolean {
  return key.kind === 'scalar' && key.text === 'image'
}

function isConfigMap(node: YAMLNode): boolean {
  return textOf(child(node, 'kind')) === 'ConfigMap'
}

function isText(node: Extract<YAMLNode, { kind: 'scalar' }>): boolean {
  return node.text.trim() !== '' && !(node.plain && /^(?:~|null|true|false|[-+]?[\d.]+)$/i.test(node.text))
}

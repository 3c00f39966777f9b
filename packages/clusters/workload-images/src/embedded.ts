/**
 * Guesses the images that a resource hands to its programs: in arguments, in variables, in a ConfigMap. Operators start
 * further containers from them.
 *
 *     args: [--engine-image, longhornio/longhorn-engine:v1]
 *     args: [--prometheus-config-reloader=quay.io/prometheus-operator/prometheus-config-reloader:v1]
 *     env: [{name: RELATED_IMAGE_PROXY, value: "quay.io/a/proxy:1"}]
 *     data: {ROOK_CSI_CEPH_IMAGE: "quay.io/cephcsi/cephcsi:v3"}
 *
 * @module
 */

import type { YAMLNode, YAMLPair } from '@pipelayer/yaml'
import { child, textOf } from './fields.js'
import type { FoundImage, FoundIn } from './found.js'
import { imagesOf, isQualified, mayBeImage, namesImage } from './plausible.js'

/** A guess, to which the reader of a file adds its name. */
export type Guess = Omit<FoundImage, 'file'>

type Scalar = Extract<YAMLNode, { kind: 'scalar' }>

const FLAG = /^--?([A-Za-z][\w.-]*)(?:=(.*))?$/s
const MAX_LINE = 1000
// `key: value`, `key=value` and `"key": "value",` in a file that a ConfigMap holds.
const SETTING = /^\s*(?:-\s+)?["']?([\w.-]{1,100})["']?\s*[:=]\s*["']?([^\s"',]+)["']?,?\s*$/

/** The images in one field of a resource. */
export function* embeddedImages([key, value]: YAMLPair): Generator<Guess, void, void> {
  const name = key.kind === 'scalar' ? key.text : ''
  if ((name === 'args' || name === 'command') && value.kind === 'list') yield* argumentImages(value.items)
  if (name === 'env' && value.kind === 'list') yield* variableImages(value.items)
  if (name === 'env' && value.kind === 'map')
    for (const [one, text] of value.pairs) yield* namedImages(one, text, 'environment')
}

/** The images in `data` of a ConfigMap. */
export function* configImages(data: YAMLNode | undefined): Generator<Guess, void, void> {
  if (data?.kind !== 'map') return
  for (const [key, value] of data.pairs) {
    if (key.kind !== 'scalar' || value.kind !== 'scalar') continue
    if (namesImage(key.text)) yield* namedImages(key, value, 'config')
    else if (value.text.includes('\n')) yield* fileImages(key.text, value)
  }
}

/** The image of a resource that has its folder, its name and its version apart. */
export function joinedImage(node: YAMLNode): Guess | undefined {
  const [folder, image] = [textOf(child(node, 'repository')), child(node, 'image')]
  const version = textOf(child(node, 'version')) || textOf(child(node, 'tag'))
  const name = textOf(image)
  if (folder === '' || version === '' || image === undefined || !/^[\w.-]+$/.test(name)) return undefined
  const reference = `${folder.replace(/\/$/, '')}/${name}:${version}`
  return guess(reference, { line: image.line, foundIn: 'image', why: 'repository, image and version' })
}

function* argumentImages(items: readonly YAMLNode[]): Generator<Guess, void, void> {
  let waiting = ''
  for (const item of items) {
    if (item.kind !== 'scalar') continue
    const [, name = '', written] = FLAG.exec(item.text) ?? []
    const flag = name === '' ? waiting : name
    const text = name === '' ? item.text : written
    waiting = name === '' || written !== undefined ? '' : name
    if (text === undefined || flag === '') continue
    if (namesImage(flag) ? mayBeImage(text) : isQualified(text))
      yield guess(text, { line: item.line, foundIn: 'argument', why: `the argument --${flag}` })
  }
}

function* variableImages(items: readonly YAMLNode[]): Generator<Guess, void, void> {
  for (const item of items) {
    if (item.kind !== 'map') continue
    const [name, value] = [child(item, 'name'), child(item, 'value')]
    if (name !== undefined && value !== undefined) yield* namedImages(name, value, 'environment')
  }
}

function* namedImages(
  name: YAMLNode,
  value: YAMLNode,
  foundIn: 'environment' | 'config',
): Generator<Guess, void, void> {
  if (name.kind !== 'scalar' || value.kind !== 'scalar' || !namesImage(name.text)) return
  const why = foundIn === 'config' ? `the key ${name.text} of a ConfigMap` : `the variable ${name.text}`
  for (const text of imagesOf(value.text)) yield guess(text, { line: value.line, foundIn, why })
}

/** The lines of a file in a ConfigMap that set an image. */
function* fileImages(key: string, { text, line }: Scalar): Generator<Guess, void, void> {
  const why = `a line of ${key} in a ConfigMap`
  for (const [index, row] of text.split('\n').entries()) {
    const [, name = '', value = ''] = row.length > MAX_LINE ? [] : (SETTING.exec(row) ?? [])
    if (value === '' || !namesImage(name) || !/[:@]/.test(value) || !mayBeImage(value)) continue
    yield guess(value, { line: line + index, foundIn: 'config', why })
  }
}

function guess(
  reference: string,
  { line, foundIn, why }: { readonly line: number; readonly foundIn: FoundIn; readonly why: string },
): Guess {
  return { reference, line, foundIn, why, guess: true }
}

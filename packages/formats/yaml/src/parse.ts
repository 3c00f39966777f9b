/**
 * Documents as trees of nodes.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { EVENT_ID, type Event, getScalarValue, SCALAR_STYLE } from 'js-yaml'
import { type Chunk, chunks } from './chunks.js'
import { eventsOf } from './events.js'
import { lineCounter } from './lines.js'
import type { YAMLNode, YAMLPair } from './node.js'

export interface YAMLOptions {
  /** The name of the text in messages. */
  readonly file: string
}

/** The most characters of a whole text. The largest bundles of manifests have four million. */
const MAX_TEXT = 16 * 1024 * 1024
/** The most characters of one document. Kubernetes itself accepts 1.5 MiB. */
const MAX_DOCUMENT = 4 * 1024 * 1024
const MAX_DOCUMENTS = 10_000

/**
 * Yields the documents of a text, one after the other; an empty document behind `---` is null. JSON is YAML, too.
 *
 * Memory is that of one document, and at most 16 Mi characters, 10,000 documents of 4 Mi characters and 100 levels are
 * taken. Anchors cost nothing here: an alias is the node that it names.
 *
 * ```ts
 * for (const document of yamlDocuments(text, { file: 'pod.yaml' })) console.log(valueOf(document, 'pod.yaml'))
 * ```
 *
 * @throws ToolError `YAML_INVALID` as `FILE:LINE:COLUMN: ...`, `YAML_TOO_LARGE`
 */
export function* yamlDocuments(text: string, { file }: YAMLOptions): Generator<YAMLNode, void, void> {
  if (text.length > MAX_TEXT) throw tooLarge(file, `${text.length} characters, at most ${MAX_TEXT} are read`)
  let count = 0
  for (const chunk of chunks(text.replace(/^\uFEFF/, ''))) {
    if (++count > MAX_DOCUMENTS)
      throw tooLarge(`${file}:${chunk.line}`, `more than ${MAX_DOCUMENTS} documents`)
    if (chunk.text.length > MAX_DOCUMENT)
      throw tooLarge(`${file}:${chunk.line}`, `a document of more than ${MAX_DOCUMENT} characters`)
    yield* compose(chunk, file)
  }
}

function tooLarge(place: string, what: string): ToolError {
  return new ToolError('YAML_TOO_LARGE', `${place}: ${what}`)
}

type Frame = { readonly node: YAMLNode; readonly anchor: string | undefined } & (
  | { readonly kind: 'map'; readonly pairs: YAMLPair[]; key: YAMLNode | undefined }
  | { readonly kind: 'list'; readonly items: YAMLNode[] }
)

function* compose(chunk: Chunk, file: string): Generator<YAMLNode, void, void> {
  const { text, events } = eventsOf(chunk, file)
  const lineOf = lineCounter(text, chunk.line)
  const anchors = new Map<string, YAMLNode>()
  const open: Frame[] = []
  let root: YAMLNode | undefined
  const place = (node: YAMLNode): void => {
    const frame = open.at(-1)
    if (frame === undefined) root = node
    else addTo(frame, node)
  }
  for (const event of events) {
    if (event.type === EVENT_ID.DOCUMENT) root = undefined
    else if (event.type === EVENT_ID.POP) {
      const closed = open.pop()
      // The last closed node is the document itself.
      if (closed === undefined && root !== undefined) yield root
      // The anchor is set only at the end of its node: an alias inside the node that it names would make an endless
      // value.
      if (closed?.anchor !== undefined) anchors.set(closed.anchor, closed.node)
    } else if (event.type === EVENT_ID.ALIAS) {
      place(
        aliased(
          text.slice(event.anchorStart, event.anchorEnd),
          anchors,
          `${file}:${lineOf(event.anchorStart)}`,
        ),
      )
    } else {
      const anchor = event.anchorStart < 0 ? undefined : text.slice(event.anchorStart, event.anchorEnd)
      const content = contentOf(event, text, lineOf)
      place(content.node)
      if ('kind' in content) open.push({ ...content, anchor })
      else if (anchor !== undefined) anchors.set(anchor, content.node)
    }
  }
}

function addTo(frame: Frame, node: YAMLNode): void {
  if (frame.kind === 'list') frame.items.push(node)
  else if (frame.key === undefined) frame.key = node
  else {
    frame.pairs.push([frame.key, node])
    frame.key = undefined
  }
}

function aliased(name: string, anchors: ReadonlyMap<string, YAMLNode>, place: string): YAMLNode {
  const node = anchors.get(name)
  if (node === undefined) throw new ToolError('YAML_INVALID', `${place}: no anchor ${JSON.stringify(name)}`)
  return node
}

type ContentEvent = Extract<Event, { tagStart: number }>
type Scalar = { readonly node: YAMLNode }
type Collection =
  | Omit<Extract<Frame, { kind: 'map' }>, 'anchor'>
  | Omit<Extract<Frame, { kind: 'list' }>, 'anchor'>

function contentOf(
  event: ContentEvent,
  text: string,
  lineOf: (offset: number) => number,
): Scalar | Collection {
  if (event.type === EVENT_ID.SCALAR) {
    const plain = event.style === SCALAR_STYLE.PLAIN && event.tagStart < 0
    const line = lineOf(
      Math.max(event.valueStart < 0 ? event.tagStart : event.valueStart, event.anchorStart, 0),
    )
    return { node: { kind: 'scalar', text: getScalarValue(text, event), plain, line } }
  }
  const line = lineOf(event.start)
  if (event.type === EVENT_ID.SEQUENCE) {
    const items: YAMLNode[] = []
    return { kind: 'list', items, node: { kind: 'list', items, line } }
  }
  const pairs: YAMLPair[] = []
  return { kind: 'map', pairs, key: undefined, node: { kind: 'map', pairs, line } }
}

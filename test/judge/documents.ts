/**
 * Judges documents: those that image-spec's schemas accept, and the documents of other projects that we can read.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf } from '@pipelayer/digest'
import {
  isObject,
  MEDIA_TYPES,
  parseConfig,
  parseManifest,
  parseObject,
  validateDocument,
} from '@pipelayer/oci'
import { attemptRow, same, type Verdict } from './dockerfile.js'
import { judged } from './reference.js'

// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
type Row = { id: string; in: any; want: any; dir?: string }
type Context = { dir: string }
type Adapter = (row: Row, context: Context) => Verdict

const schema: Adapter = ({ in: { document, mediaType }, want }) => {
  const bytes = Buffer.from(document)
  const verdict = judged(
    () => validateDocument(bytes, mediaType),
    want.valid !== true,
    () => 'pass',
  )
  return verdict !== 'pass' && want.valid !== true && hasNoLayers(bytes) ? 'policy:no-layers' : verdict
}

function hasNoLayers(bytes: Buffer): boolean {
  const got = attemptRow(() => parseManifest(bytes))
  return 'value' in got && got.value.kind === 'manifest' && got.value.layers.length === 0
}

/** Docker's documents have no field for their type, so it is found out from the other fields. */
const backwards: Adapter = ({ in: { document }, want }) => {
  const bytes = Buffer.from(document)
  const verdict = judged(
    () => validateDocument(bytes, typeOf(bytes)),
    want.valid !== true,
    () => 'pass',
  )
  return verdict === 'pass' ? same(digestOf(bytes), want.digest) : verdict
}

function typeOf(bytes: Buffer): string {
  const document = parseObject(bytes, ['DOCUMENT_INVALID', 'document'])
  if (typeof document.mediaType === 'string') return document.mediaType
  if ('manifests' in document) return MEDIA_TYPES.dockerIndex
  return 'layers' in document ? MEDIA_TYPES.dockerManifest : MEDIA_TYPES.dockerConfig
}

/** We never rewrite a document, so that its digest stays. Each document is read, or refused by its type. */
const conversion: Adapter = ({ in: { file }, want, dir: folder = '' }, { dir }) => {
  const bytes = readFileSync(join(dir, folder, file))
  const verdict = same(digestOf(bytes), `sha256:${want.sha256}`)
  if (verdict !== 'pass') return verdict
  const document = parseObject(bytes, ['DOCUMENT_INVALID', 'document'])
  const isConfig = isObject(document.rootfs)
  const got = attemptRow(() => (isConfig ? void parseConfig(bytes) : void parseManifest(bytes)))
  if (document.schemaVersion === 1) return 'refused' in got ? 'pass' : { fail: 'accepted' }
  return 'refused' in got ? { fail: got.refused } : 'pass'
}

export const adapters: Record<string, Adapter> = {
  'image-spec/schema-cases': schema,
  'image-spec/md-examples': schema,
  'image-spec/backwards-compat': backwards,
  'containers-image/conversions': conversion,
}

/**
 * Judges the package oci: documents, media types, platforms; and how a place is split into its parts.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { digestOf } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import {
  type Compression,
  formatPlatform,
  type Index,
  matches,
  normalizePlatform,
  type Platform,
  parseLayerType,
  parseManifest,
  parsePlatform,
  preferences,
  selectPlatform,
  withCompression,
} from '@pipelayer/oci'
import { parseOci } from '@pipelayer/places'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import { attemptRow, same, type Verdict } from './dockerfile.js'
import { platform } from './platform.js'
import { judged } from './reference.js'

// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
type Row = { id: string; in: any; want: any; dir?: string; policy?: string }
type Context = { dir: string }
type Adapter = (row: Row, context: Context) => Verdict

const platformParse: Adapter = row => {
  const { input } = row.in
  const verdict = row.policy === 'containerd' ? parsedAsContainerd(row) : parsedAs(input, row.want.goal)
  if (verdict === 'pass') return 'pass'
  if (input.includes('*')) return 'policy:platform-wildcards'
  return row.policy === 'containerd' ? verdict : 'policy:platform-containerd'
}

function parsedAsContainerd({ in: { input }, want }: Row): Verdict {
  const { expected, formatted, matches: equal = [] } = want
  return judged(
    () => parsePlatform(input),
    want.error === true,
    got => {
      const apart = equal.map(platform).filter((one: Platform) => !matches(got, one))
      return same([got, formatPlatform(got), apart], [platform(expected), formatted, []])
    },
  )
}

/** The answers of other projects, if they have one; many are the same as ours. */
function parsedAs(input: string, goal: Row['want'] | undefined): Verdict {
  const local = { os: '@platLocal.OS', architecture: '@platLocal.Architecture' }
  return judged(
    () => parsePlatform(input, local),
    goal === undefined,
    got => same(normalizePlatform(got), normalizePlatform(goal.call === 'Local' ? local : platform(goal))),
  )
}

const preference: Adapter = ({ in: { mode, platform: text, ctx }, want }) => {
  if (ctx !== undefined) return 'policy:platform-containerd'
  const wanted = parsePlatform(text)
  const list = mode === 'OnlyStrict' ? [wanted] : preferences(wanted)
  for (const { k, v } of want.matches) {
    const wrong = v.filter((have: string) => list.some(one => matches(one, parsePlatform(have))) !== k)
    if (wrong.length > 0) return { fail: `${wrong.join(' ')}: ${k ? 'not taken' : 'taken'}` }
  }
  return 'pass'
}

const chooseInstance: Adapter = (row, { dir }) => {
  const { os, arch, variant } = row.in
  const bytes = readFileSync(join(dir, row.dir ?? '', 'index.json'))
  const wanted = { os, architecture: arch, ...(variant && { variant }) }
  const got = attemptRow(() => selectPlatform(parseManifest(bytes) as Index, wanted).digest)
  const verdict = same('value' in got ? got.value : null, row.want.digest)
  if (verdict === 'pass') return 'pass'
  if (row.policy !== undefined) return 'policy:platform-zstd-first'
  // containers/image takes an entry without a variant to be older than v5, containerd takes it as v7.
  return arch === 'arm' ? 'policy:platform-containerd' : verdict
}

const manifestType: Adapter = (row, { dir }) => {
  const bytes = readFileSync(join(dir, row.dir ?? '', row.in.file))
  const got = attemptRow(() => parseManifest(bytes).mediaType)
  if (/\.v1\+(?:json|prettyjws)$/.test(row.want.mediaType) && row.want.mediaType.includes('docker')) {
    return 'refused' in got ? 'policy:schema1' : { fail: 'accepted' }
  }
  // That project guesses the type without a look at the descriptors.
  if ('refused' in got)
    return /has no valid|is not an object/.test(got.refused)
      ? 'policy:broken-documents'
      : { fail: got.refused }
  return same(got.value, row.want.mediaType)
}

const manifestDigest: Adapter = (row, { dir }) => {
  const bytes = readFileSync(join(dir, row.dir ?? '', row.in.file))
  // The digest of a signed schema 1 manifest does not cover its signatures.
  if (/"signatures"/.test(bytes.toString())) return 'policy:schema1'
  return same(digestOf(bytes) === row.in.digest, row.want.match)
}

const manifestNew: Adapter = ({ in: { opts }, want }) => {
  if (opts.raw === undefined)
    return judged(
      () => parseManifest(Buffer.alloc(0)),
      true,
      () => 'pass',
    )
  const text: string = opts.raw
  const got = attemptRow(() => parseManifest(Buffer.from(text)).mediaType)
  if (typeof want.wantE === 'string') return 'refused' in got ? 'pass' : { fail: 'accepted' }
  if (/"schemaVersion": *1\b/.test(text)) return 'refused' in got ? 'policy:schema1' : { fail: 'accepted' }
  const isAmbiguous = /"manifests"/.test(text) && /"layers"/.test(text)
  if (isAmbiguous) return 'refused' in got ? 'policy:manifest-ambiguous' : { fail: 'accepted' }
  return 'refused' in got ? { fail: got.refused } : 'pass'
}

const mimeUpdates: Adapter = ({ in: { operation, mimeType }, want }) => {
  if (operation === 'preserve') return same(want.updatedType, null)
  const compression: Compression = operation.startsWith('compressGzip')
    ? 'gzip'
    : operation.startsWith('compressZstd')
      ? 'zstd'
      : 'none'
  return judged(
    () => withCompression(mimeType, compression),
    want.error === true,
    got => same(got, want.updatedType),
  )
}

const layerTypes: Adapter = ({ in: { mediaType }, want }) => {
  const layer = parseLayerType(mediaType)
  const got = [layer?.compression ?? null, layer !== undefined]
  return same(got, [want.expectedAlgorithm, want.expectedIsLayer])
}

const ociName: Adapter = ({ in: { input }, want }) => {
  const { directory, tag = '', index = -1 } = parseOci(input)
  return same({ dir: directory, image: tag, index }, want)
}

const dockerName: Adapter = ({ in: { input }, want }) => {
  const got = attemptRow(() => {
    if (!input.startsWith('//')) throw new ToolError('PLACE_INVALID', 'no //')
    return formatReference(withDefaultTag(parseNormalized(input.slice(2))))
  })
  // For a tag beside a digest, we keep the tag, and the digest decides.
  if (/:[^/@]+@sha256:/.test(input)) return 'refused' in got ? { fail: got.refused } : 'policy:tag-and-digest'
  return same('value' in got ? got.value : '', want.expected)
}

export const adapters: Record<string, Adapter> = {
  'platforms/parse': platformParse,
  'platforms/only': preference,
  'platforms/wanted': preference,
  'containers-image/choose-instance': chooseInstance,
  'containers-image/guess-mime': manifestType,
  'containers-image/matches-digest': manifestDigest,
  'containers-image/mime-updates': mimeUpdates,
  'containers-image/oci-layout-ref': ociName,
  'containers-image/docker-ref': dockerName,
  'regclient/manifest-new': manifestNew,
  'umoci/layer-media-types': layerTypes,
}

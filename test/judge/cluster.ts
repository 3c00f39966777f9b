/**
 * Judges the parts of cluster images: references in manifests, lists and charts, the names of saved images, flags.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'
import { parseListFlag } from '@pipelayer/kubefile'
import { formatReference, parseNormalized, withDefaultTag } from '@pipelayer/reference'
import {
  type ChartFile,
  type FoundImage,
  guessedImages,
  imageListImages,
  manifestImages,
  sealerImage,
  sealerImages,
} from '@pipelayer/workload-images'
import { same, type Verdict } from './dockerfile.js'

// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
type Row = { id: string; in: any; want: any; dir?: string }
type Context = { readonly dir: string }
type Adapter = (row: Row, context: Context) => Verdict

const references = (found: Iterable<FoundImage>): readonly string[] =>
  Array.from(found, ({ reference }) => reference)
const byteOrder = (list: Iterable<string>): readonly string[] => [...new Set(list)].sort()

const line: Adapter = ({ in: input, want }) => {
  const text = input.line ?? input.body ?? input.text
  if (want.images === undefined) return same(sealerImage(text), want.image ?? '')
  return same(references(sealerImages(text, 'body')), want.images ?? [])
}

const imageList: Adapter = ({ in: input, want }) =>
  same(references(imageListImages(input.text, 'imageList')), want.images)

const manifest: Adapter = ({ in: input, want, dir = '' }, context) => {
  const text = fs.readFileSync(path.join(context.dir, dir, input.file), 'utf8')
  const found = [...manifestImages(text, input.file)]
  const pods = references(found.filter(({ foundIn }) => foundIn === 'container'))
  return same(
    [pods, byteOrder(pods), references(found), references(sealerImages(text, input.file))],
    [want.pod_images, want.unique, want.image_keys, want.sealer_lines],
  )
}

const chart: Adapter = ({ in: input, want, dir = '' }, context) => {
  const root = path.join(context.dir, dir, input.dir)
  const file = (name: string): ChartFile => ({
    file: name,
    text: fs.readFileSync(path.join(root, name), 'utf8'),
  })
  const templates = fs
    .readdirSync(path.join(root, 'templates'), { recursive: true, encoding: 'utf8' })
    .filter(name => /\.(?:ya?ml|tpl)$/.test(name))
    .map(name => file(path.join('templates', name)))
  const found = guessedImages({ chart: file('Chart.yaml'), values: file('values.yaml'), templates })
  const full = (text: string): string => formatReference(withDefaultTag(parseNormalized(text)))
  return same(byteOrder(references(found).map(full)), byteOrder(want.images.map(full)))
}

const savedName: Adapter = ({ in: input, want }) => {
  const { domain, path: repository, tag } = withDefaultTag(parseNormalized(input.imageName))
  return same([domain, repository, tag], [want.wantDomain, want.wantRepo, want.wantTag])
}

const listFlag: Adapter = ({ in: input, want }) => {
  const flag = parseListFlag(input.input)
  if (want.err || want.error || want.wantErr) return flag === undefined ? 'pass' : { fail: 'accepted' }
  return same([flag?.name, flag?.values], [want.expectedKey, want.expectedValues])
}

export const adapters: Record<string, Adapter> = {
  'manifests/decode-line': line,
  'manifests/helm-charts': chart,
  'manifests/image-list-files': imageList,
  'manifests/kubernetes': manifest,
  'manifests/sealer-apps': manifest,
  'sealer/flags': listFlag,
  'sealer/save-names': savedName,
}

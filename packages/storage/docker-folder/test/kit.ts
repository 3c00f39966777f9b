/**
 * The folder of an engine, made by hand: what the engine writes, without code of this package.
 *
 * @module
 */
import { createHash, randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import zlib from 'node:zlib'
import { END_BLOCKS, encodeHeader, padding } from '@pipelayer/tar'

const IMAGES = 'image/overlay2'

/** A file, or a directory if its name ends in a slash. */
export type Files = Readonly<Record<string, string>>

export interface MadeLayer {
  readonly tar: Buffer
  readonly diffID: string
  readonly chainID: string
  readonly cacheID: string
}

export const sha256 = (bytes: Buffer | string): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const hexOf = (digest: string): string => digest.slice('sha256:'.length)

/** The folder of a new engine. */
export function emptyFolder(root: string): void {
  for (const name of [
    `${IMAGES}/imagedb/content/sha256`,
    `${IMAGES}/imagedb/metadata/sha256`,
    `${IMAGES}/layerdb/sha256`,
    `${IMAGES}/distribution`,
    'overlay2/l',
    'network/files',
    'volumes',
  ])
    fs.mkdirSync(path.join(root, name), { recursive: true })
  fs.writeFileSync(path.join(root, 'network/files/local-kv.db'), '')
  write(root, 'repositories.json', '{"Repositories":{}}')
}

/** Writes a file below `image/overlay2`. */
export function write(root: string, name: string, content: string | Buffer): void {
  const file = path.join(root, IMAGES, name)
  fs.mkdirSync(path.dirname(file), { recursive: true })
  fs.writeFileSync(file, content)
}

export function layerFile(root: string, { chainID }: MadeLayer, name: string): string {
  return path.join(root, IMAGES, 'layerdb/sha256', hexOf(chainID), name)
}

export function addLayer(root: string, files: Files, parent?: MadeLayer): MadeLayer {
  const { tar, list } = packed(files)
  const diffID = sha256(tar)
  const chainID = parent === undefined ? diffID : sha256(`${parent.chainID} ${diffID}`)
  const layer = { tar, diffID, chainID, cacheID: randomBytes(32).toString('hex') }
  const at = (name: string): string => `layerdb/sha256/${hexOf(chainID)}/${name}`
  write(root, at('diff'), diffID)
  write(root, at('size'), '1')
  write(root, at('cache-id'), layer.cacheID)
  write(root, at('tar-split.json.gz'), zlib.gzipSync(list))
  if (parent !== undefined) write(root, at('parent'), parent.chainID)
  const tree = path.join(root, 'overlay2', layer.cacheID)
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(tree, 'diff', name)
    fs.mkdirSync(name.endsWith('/') ? file : path.dirname(file), { recursive: true })
    if (!name.endsWith('/')) fs.writeFileSync(file, content)
  }
  const link = randomBytes(13).toString('hex').toUpperCase()
  fs.mkdirSync(path.join(tree, 'diff'), { recursive: true })
  fs.writeFileSync(path.join(tree, 'link'), link)
  fs.symlinkSync(`../${layer.cacheID}/diff`, path.join(root, 'overlay2/l', link))
  if (parent !== undefined) {
    const below = path.join(root, 'overlay2', parent.cacheID)
    const rest = fs.existsSync(`${below}/lower`) ? `:${fs.readFileSync(`${below}/lower`, 'utf8')}` : ''
    fs.writeFileSync(path.join(tree, 'lower'), `l/${fs.readFileSync(`${below}/link`, 'utf8')}${rest}`)
  }
  return layer
}

/** A tar and its list. Each line is written as tar-split writes it. */
function packed(files: Files): { readonly tar: Buffer; readonly list: string } {
  const parts: Buffer[] = []
  const lines: object[] = []
  let raw = Buffer.alloc(0)
  for (const [name, content] of Object.entries(files)) {
    const type = name.endsWith('/') ? 'dir' : 'file'
    const time = { seconds: 1_700_000_000, nanoseconds: 0 }
    const common = { name, type, mode: 0o755, uid: 0, gid: 0, mtime: time } as const
    const header = encodeHeader({ ...common, size: content.length })
    lines.push({ type: 2, payload: Buffer.concat([raw, header]).toString('base64') })
    const size = content === '' ? {} : { size: content.length }
    lines.push({ type: 1, name, ...size, payload: content === '' ? null : crcOf(content) })
    parts.push(header, Buffer.from(content), padding(content.length))
    raw = Buffer.from(padding(content.length))
  }
  lines.push({ type: 2, payload: Buffer.concat([raw, END_BLOCKS]).toString('base64') })
  const list = lines.map((line, position) => `${JSON.stringify({ ...line, position })}\n`).join('')
  return { tar: Buffer.concat([...parts, END_BLOCKS]), list }
}

/** CRC-64 of ISO 3309, bit by bit, as tar-split has it. */
export function crcOf(content: string): string {
  const all = 0xffffffffffffffffn
  let sum = all
  for (const byte of Buffer.from(content)) {
    sum ^= BigInt(byte)
    for (let bit = 0; bit < 8; bit++) sum = sum & 1n ? (sum >> 1n) ^ 0xd800000000000000n : sum >> 1n
  }
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(sum ^ all)
  return bytes.toString('base64')
}

/** The config of an image of these layers. */
export function configOf(layers: readonly Pick<MadeLayer, 'diffID'>[], more: object = {}): Buffer {
  const rootfs = { type: 'layers', diff_ids: layers.map(({ diffID }) => diffID) }
  return Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs, ...more }))
}

/** An image of layers that are there; returns its id. */
export function addImage(root: string, layers: readonly MadeLayer[], more: object = {}): string {
  const config = configOf(layers, more)
  write(root, `imagedb/content/sha256/${hexOf(sha256(config))}`, config)
  return sha256(config)
}

/** Names images: `{ 'app:1': id }`, with the short names of Docker. */
export function nameImages(root: string, names: Readonly<Record<string, string>>): void {
  const repositories: Record<string, Record<string, string>> = {}
  for (const [name, id] of Object.entries(names)) {
    const repository = name.replace(/[@:][^/]*$/, '')
    repositories[repository] = { ...repositories[repository], [name]: id }
  }
  write(root, 'repositories.json', JSON.stringify({ Repositories: repositories }))
}

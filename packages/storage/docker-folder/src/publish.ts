/**
 * Gives an engine's folder the layers, the config and the name of an image, in this order, so that the engine never
 * knows of something that is not whole.
 *
 * @module
 */
import { randomBytes, randomInt } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import type { Digest } from '@pipelayer/digest'
import { attempt } from '@pipelayer/errors'
import { replaceFile } from '@pipelayer/layout'
import type { NormalizedReference } from '@pipelayer/reference'
import { flock, ownedName, syncfs } from '@pipelayer/sys'
import { type LayerOrigin, rememberOrigin } from './distribution.js'
import { keepEnginesOut } from './engine.js'
import { readLine } from './files.js'
import { type ExpectedLayer, missingLayer, readExpected } from './layer.js'
import type { NewLayer } from './new-layer.js'
import { broken, type FolderPaths, requireLink } from './paths.js'
import { Repositories } from './repositories.js'
import { UNFINISHED } from './staging.js'

/** A layer of the image that is published. */
export interface PlannedLayer {
  readonly expected: ExpectedLayer
  /** Undefined for a layer that the engine has. */
  readonly made: NewLayer | undefined
}

export interface PlannedImage {
  readonly id: Digest
  readonly config: Buffer
  /** Base first. */
  readonly layers: readonly PlannedLayer[]
  readonly origins: readonly LayerOrigin[]
  readonly reference: NormalizedReference | undefined
}

/** How overlayfs mounts a layer: its short name, and those of the layers below, nearest first. */
interface Mounted {
  readonly cacheID: string
  readonly link: string
  readonly lowers: readonly string[]
}

const LINK_LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'
const LINK_LENGTH = 26

/**
 * Publishes an image. It takes milliseconds, since all is prepared, so no engine can start meanwhile, and no other
 * program of ours does the same.
 *
 * @throws ToolError `ENGINE_RUNNING`; `BLOB_UNKNOWN`: an engine that ran meanwhile has removed a layer; `REFERENCE_AMBIGUOUS`;
 *   `DOCKER_FOLDER_INVALID`; those of the system
 */
export function publishImage(paths: FolderPaths, image: PlannedImage): void {
  attempt(`write into "${paths.root}"`, () => {
    const alone = fs.openSync(paths.images, 'r')
    try {
      flock(alone, { wait: true })
      const release = keepEnginesOut(paths.root)
      try {
        publishAlone(paths, image)
      } finally {
        release()
      }
    } finally {
      fs.closeSync(alone)
    }
  })
}

function publishAlone(paths: FolderPaths, { id, config, layers, origins, reference }: PlannedImage): void {
  // The name may be refused, which must be known before anything is seen.
  const names = reference && Repositories.read(paths.repositories).with(reference, id)
  fs.mkdirSync(paths.layers, { recursive: true, mode: 0o755 })
  publishLayers(paths, layers)
  replace(paths.config(id), config)
  for (const origin of origins) rememberOrigin(paths, origin)
  if (names === undefined) return
  replace(path.join(paths.metadata(id), 'lastUpdated'), new Date().toISOString())
  replace(paths.repositories, names)
}

/** A prepared layer, which `show` makes visible. */
interface Move {
  /** What layerdb has of it, in a folder that the engine does not read. */
  readonly entry: string
  show(): void
}

interface LayerStep {
  readonly layer: PlannedLayer
  readonly below: Mounted | undefined
  readonly moves: Move[]
}

function publishLayers(paths: FolderPaths, layers: readonly PlannedLayer[]): void {
  const moves: Move[] = []
  try {
    let below: Mounted | undefined
    for (const layer of layers) below = prepareLayer(paths, { layer, below, moves })
    if (moves.length === 0) return
    flush(paths)
    for (const move of moves) move.show()
    flush(paths)
  } finally {
    for (const { entry } of moves) fs.rmSync(entry, { recursive: true, force: true })
  }
}

function prepareLayer(paths: FolderPaths, { layer, below, moves }: LayerStep): Mounted {
  const { expected, made } = layer
  const existing = readExpected(paths, expected)
  if (existing !== undefined) return mountedOf(paths, existing.cacheID)
  if (made === undefined) throw missingLayer(expected.chainID, paths.root)
  const cacheID = randomBytes(32).toString('hex')
  const link = Array.from({ length: LINK_LENGTH }, () => LINK_LETTERS[randomInt(LINK_LETTERS.length)]).join(
    '',
  )
  const lowers = below === undefined ? [] : [below.link, ...below.lowers]
  const entry = path.join(paths.unfinishedLayers, ownedName(UNFINISHED, randomBytes(6).toString('hex')))
  const show = (): void => {
    fs.renameSync(made.dir, paths.tree(cacheID))
    fs.symlinkSync(`../${cacheID}/diff`, paths.link(link))
    if (below !== undefined) touch(path.join(paths.tree(below.cacheID), 'committed'))
    fs.renameSync(entry, paths.layer(expected.chainID))
  }
  moves.push({ entry, show })
  writeEntry(entry, { expected, made, cacheID })
  fs.writeFileSync(path.join(made.dir, 'link'), link, { mode: 0o644 })
  if (below !== undefined) {
    const lower = lowers.map(name => `l/${name}`).join(':')
    fs.writeFileSync(path.join(made.dir, 'lower'), lower, { mode: 0o644 })
    fs.mkdirSync(path.join(made.dir, 'work'), { mode: 0o700 })
  }
  return { cacheID, link, lowers }
}

function writeEntry(
  entry: string,
  { expected, made, cacheID }: { expected: ExpectedLayer; made: NewLayer; cacheID: string },
): void {
  fs.mkdirSync(entry, { recursive: true, mode: 0o700 })
  const files = {
    diff: expected.diffID,
    size: String(made.size),
    'cache-id': cacheID,
    ...(expected.parent !== undefined && { parent: expected.parent }),
  }
  for (const [name, text] of Object.entries(files))
    fs.writeFileSync(path.join(entry, name), text, { mode: 0o644 })
  fs.copyFileSync(made.list, path.join(entry, 'tar-split.json.gz'))
  fs.rmSync(made.list)
}

function mountedOf(paths: FolderPaths, cacheID: string): Mounted {
  const tree = paths.tree(cacheID)
  const link = readLine(path.join(tree, 'link'))
  if (link === undefined) throw broken(tree, 'it has no file "link"')
  const lowers = readLine(path.join(tree, 'lower'))?.split(':') ?? []
  return {
    cacheID,
    link: requireLink(link, path.join(tree, 'link')),
    lowers: lowers.map(name => requireLink(name.replace(/^l\//, ''), path.join(tree, 'lower'))),
  }
}

function replace(file: string, content: string | Buffer): void {
  fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  // Only who holds the lock has a temporary file here, so one that is there is left over.
  fs.rmSync(`${file}.tmp`, { force: true })
  replaceFile(file, `${file}.tmp`, content)
}

function touch(file: string): void {
  fs.closeSync(fs.openSync(file, 'a', 0o600))
}

function flush({ trees, images }: FolderPaths): void {
  for (const folder of [trees, images]) {
    const fd = fs.openSync(folder, 'r')
    try {
      syncfs(fd)
    } finally {
      fs.closeSync(fd)
    }
  }
}

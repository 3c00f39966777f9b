import fs from 'node:fs'
import path from 'node:path'
import { attempt, ToolError } from '@pipelayer/errors'
import type { ExecutorSetup } from '@pipelayer/executor'
import { putImages } from '@pipelayer/image-streams'
import { parsePlatform } from '@pipelayer/oci'
import { pullImages } from '@pipelayer/pulling'
import type { AnyRecord } from '@pipelayer/records'
import { parseNormalized } from '@pipelayer/reference'
import type { ImagesAction } from '@pipelayer/steps'
import { readRegular } from '@pipelayer/sys'
import { archiveList, type ListedArchive } from './archive-list.js'

/** The list of archives in a root filesystem, and in the context of sealos. */
const LIST = path.join('images', 'skopeo', 'tar.txt')
const MAX_LIST_BYTES = 16 * 1024 * 1024
const TOOL = 'cluster-build'

/**
 * Puts the images of the archives that `images/skopeo/tar.txt` lists into `registry/` of a root filesystem, one after the
 * other. The list of the context comes before that of the new layers, which is a copy of it.
 *
 * @throws {ToolError} `IMAGE_LIST_INVALID`; `IMAGES_FAILED` for an archive that is missing or broken
 */
export async function bringListedArchives(
  setup: Pick<ExecutorSetup, 'inform' | 'openChain'>,
  action: ImagesAction,
  target: string,
): Promise<void> {
  const chain = action.fresh.kind === 'chain' ? setup.openChain(action.fresh.lowers) : undefined
  try {
    const roots = [action.context, chain?.dir].filter(root => root !== undefined)
    const root = roots.find(dir => isFile(path.join(dir, LIST)))
    if (root === undefined) return
    const archives = archiveList(listText(path.join(root, LIST)), LIST)
    if (archives.length > 0) setup.inform(`${archives.length} archived images come into the registry`)
    for (const archive of archives) await bring(archive, { root, action, target })
  } finally {
    chain?.close()
  }
}

interface Place {
  readonly root: string
  readonly action: ImagesAction
  readonly target: string
}

async function bring(listed: ListedArchive, { root, action, target }: Place): Promise<void> {
  const { transport, file, name } = listed
  const archive = path.join(root, path.dirname(LIST), file)
  // A symlink could lead to a file of this machine.
  if (!isFile(archive)) throw failure(listed, `${file} is no regular file`)
  const { path: repository, tag = 'latest' } = parseNormalized(name)
  const options = { store: action.store, tool: TOOL }
  const choice = { platforms: [parsePlatform(action.platform)], keeps: 'nothing' as const }
  const place = `registry-fs:${path.join(target, 'registry')}:${repository}:${tag}`
  try {
    const pulled = pullImages(nothing(), { ...options, references: [`${transport}:${archive}`], choice })
    for await (const record of putImages(pulled, { ...options, place }))
      if (record.type === 'failed') throw failure(listed, String(record.message))
  } catch (error) {
    if (!(error instanceof ToolError) || error.code === 'IMAGES_FAILED') throw error
    throw failure(listed, error.message, error)
  }
}

function failure({ file, name }: ListedArchive, why: string, cause?: ToolError): ToolError {
  const message = `${LIST}: the image ${name} of ${file} could not be brought into the registry: ${why}`
  return new ToolError('IMAGES_FAILED', message, { cause, status: cause?.status ?? 1 })
}

async function* nothing(): AsyncGenerator<AnyRecord, void, undefined> {}

function isFile(file: string): boolean {
  return fs.lstatSync(file, { throwIfNoEntry: false })?.isFile() === true
}

function listText(file: string): string {
  return attempt(`read ${JSON.stringify(file)}`, () =>
    readRegular(file, MAX_LIST_BYTES, { noFollow: true }).toString('utf8'),
  )
}

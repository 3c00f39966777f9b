import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { attempt, systemError, ToolError } from '@pipelayer/errors'
import { isOrphan, ownedName } from '@pipelayer/sys'

/** Where the bytes of an archive go. */
export interface ArchiveOutput {
  write(chunk: Buffer): Promise<void>
  /**
   * Publishes the archive, when all bytes were written.
   *
   * @param names - those of all images in it; images without a name may be there as well
   */
  commit(names: readonly string[]): Promise<void>
  /** Leaves nothing behind. It may be called at any time, also after {@link commit}. */
  abort(): Promise<void>
}

/** How a temporary file beside the target is called, before the name of its owner. */
const PREFIX = '.pipelayer-archive'

/**
 * A file that appears, or replaces an older one, when it is complete and on the disk. Until then it has a temporary name
 * in the same folder. What a killed process left there under such a name is removed by the next archive in that folder.
 *
 * @throws ToolError `FILE_INVALID` if the target is there and no regular file; errors of the system
 */
export async function openFileOutput(file: string): Promise<ArchiveOutput> {
  const target = targetOf(file)
  const folder = path.dirname(target)
  const temporary = path.join(folder, ownedName(PREFIX, randomBytes(6).toString('hex')))
  const doing = `write "${file}"`
  attempt(doing, () => sweep(folder))
  const failed = (error: unknown): never => {
    throw systemError(error, doing)
  }
  let handle: FileHandle | undefined = await fs.promises.open(temporary, 'wx', 0o666).catch(failed)
  const close = async (): Promise<void> => {
    const open = handle
    handle = undefined
    await open?.close()
  }
  return {
    write: async chunk => {
      await handle?.appendFile(chunk).catch(failed)
    },
    commit: async () => {
      try {
        await handle?.sync()
        await close()
        await fs.promises.rename(temporary, target)
        syncFolder(folder)
      } catch (error) {
        failed(error)
      }
    },
    abort: async () => {
      await close()
      fs.rmSync(temporary, { force: true })
    },
  }
}

/** Standard output, or whatever `write` writes to. Nothing can be taken back there. */
export function streamOutput(write: (chunk: Buffer) => Promise<void>): ArchiveOutput {
  return { write, commit: async () => undefined, abort: async () => undefined }
}

// A symlink stays, and the file that it leads to is replaced. A device or a pipe would be replaced by a file as well,
// which nobody means who writes to /dev/stdout.
function targetOf(file: string): string {
  const found = attempt(`write "${file}"`, () => fs.statSync(file, { throwIfNoEntry: false }))
  if (found === undefined) return path.resolve(file)
  if (found.isFile()) return attempt(`write "${file}"`, () => fs.realpathSync(file))
  throw new ToolError('FILE_INVALID', `cannot write "${file}": it is no regular file; "-" stands for stdout`)
}

function sweep(folder: string): void {
  for (const name of fs.readdirSync(folder))
    if (name.startsWith(`${PREFIX}.`) && isOrphan(name)) fs.rmSync(path.join(folder, name), { force: true })
}

function syncFolder(folder: string): void {
  const fd = fs.openSync(folder, 'r')
  try {
    fs.fsyncSync(fd)
  } finally {
    fs.closeSync(fd)
  }
}

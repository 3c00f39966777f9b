import fs from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { attempt, ToolError } from '@pipelayer/errors'
import type { BuildContext } from '@pipelayer/steps'
import type { ContextSource } from './context.js'
import { fetchHttp, shown } from './http-source.js'
import type { RemoteSetup, RemoteSources } from './remote-sources.js'
import type { TempFolders } from './temp-folders.js'
import { unpackArchive } from './unpack-archive.js'

/** Makes directories of contexts that are not directories, each once: stages and platforms share them. */
export class ContextFolders {
  readonly #setup: RemoteSetup
  readonly #remotes: RemoteSources
  readonly #temp: TempFolders
  readonly #open = new Map<ContextSource, Promise<BuildContext>>()

  constructor(setup: RemoteSetup, remotes: RemoteSources, temp: TempFolders) {
    this.#setup = setup
    this.#remotes = remotes
    this.#temp = temp
  }

  /**
   * The files of a context.
   *
   * @throws {ToolError} `CONTEXT_INVALID` if a file is no tar; those of git, http and unpacking
   */
  async open(source: ContextSource): Promise<BuildContext> {
    const known = this.#open.get(source) ?? this.#make(source)
    this.#open.set(source, known)
    return await known
  }

  async #make(source: ContextSource): Promise<BuildContext> {
    switch (source.kind) {
      case 'dir':
        return source
      case 'git':
        return { dir: await this.#remotes.tree(source.ref), ignore: [] }
      case 'http':
        return await this.#http(source)
      case 'archive': {
        const unpacked = await this.#unpack(await this.#seekable(source.file))
        if (unpacked !== undefined) return unpacked
        throw new ToolError(
          'CONTEXT_INVALID',
          `the context "${source.file}" is neither a directory nor a tar that can be read`,
        )
      }
    }
  }

  async #http({ address, unpack }: Extract<ContextSource, { kind: 'http' }>): Promise<BuildContext> {
    const file = await fetchHttp(address, this.#setup)
    const unpacked = unpack ? await this.#unpack(file.path) : undefined
    if (unpacked !== undefined) return unpacked
    const dir = this.#temp.make()
    attempt(`write the context ${shown(address)}`, () => {
      const place = path.join(dir, 'context')
      fs.copyFileSync(file.path, place, fs.constants.COPYFILE_FICLONE)
      fs.chmodSync(place, 0o600)
      fs.utimesSync(place, file.mtime, file.mtime)
    })
    return { dir, ignore: [] }
  }

  async #unpack(file: string): Promise<BuildContext | undefined> {
    const fd = attempt(`open the context "${file}"`, () => fs.openSync(file, 'r'))
    try {
      const dir = this.#temp.make()
      const onWarning = (message: string): void => this.#setup.onWarning?.(message)
      const isArchive = await unpackArchive(fd, { onWarning, directory: () => dir })
      // An ordinary user cannot give files to other owners: all of them belong to that user, who is root in the build.
      return isArchive ? { dir, ignore: [], keepsOwners: process.geteuid?.() === 0 } : undefined
    } finally {
      fs.closeSync(fd)
    }
  }

  // Data from a pipe is copied to a file, because it is read twice: to see that it is a tar, and to unpack it.
  async #seekable(file: string): Promise<string> {
    if (fs.statSync(file).isFile()) return file
    const copy = path.join(this.#temp.make(), 'archive')
    await pipeline(fs.createReadStream(file), fs.createWriteStream(copy, { mode: 0o600 }))
    return copy
  }
}

/**
 * Reads the files of a chart that matter here, from a folder or an archive, with those of its subcharts.
 *
 * @module
 */

import fs, { createReadStream } from 'node:fs'
import path from 'node:path'
import { decompress } from '@pipelayer/compress'
import { attempt, messageOf, ToolError } from '@pipelayer/errors'
import { openRegular } from '@pipelayer/sys'
import { readTar } from '@pipelayer/tar'
import { MAX_FILE, readText } from './text-file.js'

/** The largest size of a chart's archive, inflated, in bytes. Helm itself takes 100 MiB. */
const MAX_ARCHIVE = 100 * 1024 * 1024
/** The most characters of a chart's files together. */
const MAX_TEXTS = 100 * 1024 * 1024
const MAX_FILES = 10_000
/** How deep archives of charts may lie in each other. */
const MAX_ARCHIVES = 5
const PARTS =
  /^(?:charts\/[^/]+\/)*(?:(?:Chart|requirements|values)\.yaml|templates\/.*\.(?:ya?ml|tpl|json))$/
const SUBCHART = /^(?:charts\/[^/]+\/)*charts\/[^/]+\.tgz$/

/**
 * The texts of a chart by their paths below its folder. Archives in `charts/` are taken for folders.
 *
 * @throws ToolError `CHART_INVALID` for what is no archive, is larger than 100 MiB or has more than 10,000 files;
 *   `FILE_TOO_LARGE` for a file of more than 16 MiB; the system's errors
 */
export async function chartTexts(
  kind: 'chart' | 'chart-archive',
  file: string,
): Promise<ReadonlyMap<string, string>> {
  const texts = new ChartFiles(file)
  if (kind === 'chart') await texts.addFolder()
  else await texts.addArchive(openArchive(file), { prefix: '', name: file, depth: 0 })
  return texts.all
}

interface Place {
  /** The path of its chart below the topmost one. */
  readonly prefix: string
  /** For messages. */
  readonly name: string
  readonly depth: number
}

class ChartFiles {
  readonly all = new Map<string, string>()
  readonly #chart: string
  #characters = 0

  constructor(chart: string) {
    this.#chart = chart
  }

  async addFolder(): Promise<void> {
    for (const name of filesBelow(this.#chart)) {
      const file = path.join(this.#chart, name)
      if (PARTS.test(name)) this.#add(name, readText(file))
      else if (SUBCHART.test(name))
        await this.addArchive(openArchive(file), { prefix: folderOf(name), name: file, depth: 1 })
    }
  }

  async addArchive(bytes: AsyncIterable<Buffer>, { prefix, name: archive, depth }: Place): Promise<void> {
    try {
      for await (const { name, content } of filesIn(bytes)) {
        if (PARTS.test(name)) this.#add(`${prefix}${name}`, content.toString())
        else if (depth < MAX_ARCHIVES)
          await this.addArchive(each(content), {
            prefix: `${prefix}${folderOf(name)}`,
            name: `${archive}: ${name}`,
            depth: depth + 1,
          })
      }
    } catch (error) {
      const message = messageOf(error)
      const isSaid = error instanceof ToolError && error.code === 'CHART_INVALID'
      throw isSaid ? error : new ToolError('CHART_INVALID', `${archive}: ${message}`, { cause: error })
    }
  }

  #add(name: string, text: string): void {
    this.#characters += text.length
    if (this.#characters > MAX_TEXTS || this.all.size >= MAX_FILES)
      throw new ToolError(
        'CHART_INVALID',
        `${this.#chart}: more than ${MAX_FILES} files or ${MAX_TEXTS} characters in its charts`,
      )
    this.all.set(name, text)
  }
}

function folderOf(archive: string): string {
  return `${archive.replace(/\.tgz$/, '')}/`
}

function openArchive(file: string): AsyncIterable<Buffer> {
  return createReadStream('', { fd: openRegular(file).fd })
}

async function* each(content: Buffer): AsyncGenerator<Buffer, void, undefined> {
  yield content
}

interface Member {
  /** Below the folder of the chart, which is the first part of every name in the archive. */
  readonly name: string
  readonly content: Buffer
}

async function* filesIn(bytes: AsyncIterable<Buffer>): AsyncGenerator<Member, void, undefined> {
  let name = ''
  let chunks: Buffer[] = []
  let size = 0
  for await (const event of readTar(decompress(bytes, { maxBytes: MAX_ARCHIVE }))) {
    if (event.type === 'entry') {
      name = Buffer.from(event.entry.name, 'latin1')
        .toString()
        .replace(/^(?:\.\/)?[^/]+\//, '')
      chunks = []
      size = 0
    } else if (event.type === 'data' && (PARTS.test(name) || SUBCHART.test(name))) {
      size += event.bytes.length
      if (size > MAX_FILE) throw new ToolError('FILE_TOO_LARGE', `${name} has more than ${MAX_FILE} bytes`)
      chunks.push(Buffer.from(event.bytes))
    } else if (event.type === 'end' && chunks.length > 0) yield { name, content: Buffer.concat(chunks) }
  }
}

function filesBelow(dir: string): readonly string[] {
  const names: string[] = []
  const walk = (below: string): void => {
    const list = attempt(`read the folder ${JSON.stringify(path.join(dir, below))}`, () =>
      fs.readdirSync(path.join(dir, below), { withFileTypes: true }),
    )
    for (const entry of list.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const name = path.join(below, entry.name)
      if (entry.isDirectory()) walk(name)
      else if (entry.isFile()) names.push(name)
      if (names.length > MAX_FILES)
        throw new ToolError('CHART_INVALID', `${dir}: more than ${MAX_FILES} files`)
    }
  }
  walk('')
  return names
}

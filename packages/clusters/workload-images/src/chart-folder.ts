/**
 * Finds the images of charts on disk: helm renders a chart if it is installed, otherwise the images are guessed from
 * the chart's files.
 *
 * @module
 */

import { execFile } from 'node:child_process'
import fs, { createReadStream } from 'node:fs'
import path from 'node:path'
import { decompress } from '@pipelayer/compress'
import { attempt, messageOf, ToolError } from '@pipelayer/errors'
import { openRegular } from '@pipelayer/sys'
import { readTar } from '@pipelayer/tar'
import { renderedImages } from './chart.js'
import { chartTreeImages } from './chart-tree.js'
import type { FoundImage } from './found.js'
import { MAX_FILE, readText } from './text-file.js'

const HELM_TIMEOUT_MS = 120_000
const MAX_RENDERED = 64 * 1024 * 1024
/** The largest size of a chart's archive, inflated, in bytes. Helm itself takes 100 MiB. */
const MAX_ARCHIVE = 100 * 1024 * 1024
const MAX_TEMPLATES = 10_000
const TEMPLATE = /^templates\/.*\.(?:ya?ml|tpl)$/

/**
 * Images of a chart as `helm template` renders it, with its own values.
 *
 * @param helm - the program
 * @throws ToolError `CHART_INVALID` with what helm says, `YAML_INVALID`
 */
export async function helmImages(
  file: string,
  helm: string,
  signal?: AbortSignal,
): Promise<readonly FoundImage[]> {
  const text = await new Promise<string>((resolve, reject) => {
    const limits = { timeout: HELM_TIMEOUT_MS, maxBuffer: MAX_RENDERED, ...(signal && { signal }) }
    execFile(helm, ['template', 'dryrun', path.resolve(file)], limits, (error, stdout, stderr) => {
      if (error === null) return resolve(stdout)
      const why = stderr.trim() === '' ? messageOf(error) : messageOf(new Error(stderr.trim().slice(0, 1000)))
      reject(new ToolError('CHART_INVALID', `${file}: helm template: ${why}`, { cause: error }))
    })
  })
  return [...renderedImages(text, file)]
}

/** Guesses the images of a chart and of its subcharts, with the values that it gives them. */
export function chartFolderImages(dir: string): readonly FoundImage[] {
  const texts = new Map<string, string>()
  for (const name of filesBelow(dir)) {
    if (isRead(name)) texts.set(name, readText(path.join(dir, name)))
  }
  return chartImages(texts, dir)
}

/**
 * Guesses the images of a chart in a `.tgz`.
 *
 * @throws ToolError `CHART_INVALID` if it is no archive, or larger than 100 MiB
 */
export async function chartArchiveImages(file: string): Promise<readonly FoundImage[]> {
  const texts = new Map<string, string>()
  try {
    for await (const { name, text } of archived(file)) texts.set(name.replace(/^[^/]+\//, ''), text)
  } catch (error) {
    throw new ToolError('CHART_INVALID', `${file}: ${messageOf(error)}`, { cause: error })
  }
  return chartImages(texts, file)
}

async function* archived(file: string): AsyncGenerator<{ name: string; text: string }, void, void> {
  let name = ''
  let chunks: Buffer[] = []
  let size = 0
  for await (const event of readTar(
    decompress(createReadStream('', { fd: openRegular(file).fd }), { maxBytes: MAX_ARCHIVE }),
  )) {
    if (event.type === 'entry') {
      name = Buffer.from(event.entry.name, 'latin1').toString()
      chunks = []
      size = 0
    } else if (
      event.type === 'data' &&
      isRead(name.replace(/^[^/]+\//, '')) &&
      (size += event.bytes.length) <= MAX_FILE
    )
      chunks.push(Buffer.from(event.bytes))
    else if (event.type === 'end' && chunks.length > 0) yield { name, text: Buffer.concat(chunks).toString() }
  }
}

const PARTS = /^((?:charts\/[^/]+\/)*)(Chart\.yaml|requirements\.yaml|values\.yaml|templates\/.*)$/

function isRead(name: string): boolean {
  const own = PARTS.exec(name)?.[2]
  return own !== undefined && (!own.startsWith('templates/') || TEMPLATE.test(own))
}

function chartImages(texts: ReadonlyMap<string, string>, chart: string): readonly FoundImage[] {
  return chartTreeImages({
    names: [...texts.keys()],
    file: name => {
      const text = texts.get(name)
      return text === undefined ? undefined : { text, file: path.join(chart, name) }
    },
  })
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
      if (names.length > MAX_TEMPLATES)
        throw new ToolError('CHART_INVALID', `${dir}: more than ${MAX_TEMPLATES} files`)
    }
  }
  walk('')
  return names
}

/**
 * Finds the images of charts on disk: helm renders a chart if it is installed, otherwise the images are guessed from
 * the chart's files.
 *
 * @module
 */

import { execFile } from 'node:child_process'
import path from 'node:path'
import { messageOf, ToolError } from '@pipelayer/errors'
import { renderedImages } from './chart.js'
import { chartTexts } from './chart-files.js'
import { type ChartFindings, type ChartTexts, chartTreeImages, missingDependencies } from './chart-tree.js'
import type { FoundImage } from './found.js'

const HELM_TIMEOUT_MS = 120_000
const MAX_RENDERED = 64 * 1024 * 1024

/**
 * The images of a chart and its subcharts. Helm does not render a chart that lacks one of its dependencies, so the images
 * of such a chart are guessed.
 *
 * @param file - a folder, or a `.tgz`
 * @throws ToolError `CHART_INVALID` with what helm says, or for an archive that cannot be read; `FILE_TOO_LARGE`,
 *   `YAML_INVALID`, `YAML_TOO_LARGE`
 */
export async function chartFindings(
  kind: 'chart' | 'chart-archive',
  file: string,
  { helm, signal }: { readonly helm?: string | undefined; readonly signal?: AbortSignal | undefined },
): Promise<ChartFindings> {
  const texts = textsOf(await chartTexts(kind, file), file)
  if (helm === undefined || missingDependencies(texts).length > 0) return chartTreeImages(texts)
  return { found: await helmImages(file, helm, signal), warnings: [] }
}

function textsOf(texts: ReadonlyMap<string, string>, chart: string): ChartTexts {
  return {
    names: [...texts.keys()],
    file: name => {
      const text = texts.get(name)
      return text === undefined ? undefined : { text, file: path.join(chart, name) }
    },
  }
}

/** Images of a chart as `helm template` renders it, with its own values. */
async function helmImages(
  file: string,
  helm: string,
  signal: AbortSignal | undefined,
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

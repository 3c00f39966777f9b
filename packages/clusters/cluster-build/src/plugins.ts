import fs from 'node:fs'
import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import { isPluginFile, pluginProblems } from '@pipelayer/lint'
import { readRegular } from '@pipelayer/sys'

/** The largest plugin in bytes, and how many are read. */
const MAX_BYTES = 1024 * 1024
const MAX_FILES = 1000

/** What is wrong with the plugins of new layers. sealer reads those in `plugins/`, and says nothing of the others. */
export function pluginWarnings(dir: string): readonly string[] {
  const old = entries(path.join(dir, 'plugin'))
  const folder = path.join(dir, 'plugins')
  return [
    ...(old.length > 0 ? [`${dir}/plugin: sealer reads plugins from plugins/, not from plugin/`] : []),
    ...entries(folder)
      .filter(isPluginFile)
      .slice(0, MAX_FILES)
      .flatMap(name => problemsOf(path.join(folder, name))),
  ]
}

function entries(folder: string): readonly string[] {
  if (fs.lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  return fs.readdirSync(folder).sort()
}

function problemsOf(file: string): readonly string[] {
  try {
    const text = readRegular(file, MAX_BYTES, { noFollow: true }).toString('utf8')
    return pluginProblems(text, file).map(({ message }) => message)
  } catch (error) {
    if (!(error instanceof ToolError)) return [`${file}: it cannot be read`]
    return [error.message]
  }
}

import fs from 'node:fs'
import path from 'node:path'
import { errnoOf, ToolError } from '@pipelayer/errors'
import { explained, isDirectory, namesIn } from './files.js'
import { DRIVER } from './paths.js'

const INSTEAD =
  'ask the engine itself for the images: docker save writes an archive that docker-archive: reads, and docker load takes one'

/**
 * Checks that a folder is that of an engine with the graph driver overlay2.
 *
 * @throws ToolError `FOLDER_MISSING`; `DRIVER_UNSUPPORTED` for the folder of another driver or of containerd, which the
 *   message names; `DOCKER_FOLDER_INVALID` for any other folder; `EACCES` for who is not root
 */
export function requireOverlay2(root: string): void {
  try {
    if (!fs.statSync(root).isDirectory()) throw notDocker(root)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw explained(error, root)
    throw new ToolError(
      'FOLDER_MISSING',
      `there is no folder "${root}", where a Docker engine would keep images`,
    )
  }
  const drivers = namesIn(path.join(root, 'image'))
  if (drivers.includes(DRIVER)) return
  const [driver] = drivers
  if (driver !== undefined)
    throw unsupported(root, `its images are kept by the graph driver ${driver}, and only ${DRIVER} is known`)
  // Every engine since 25 leaves its id; folders of containerd lie in all of them, also where it keeps no images.
  if (fs.existsSync(path.join(root, 'engine-id')) || isDirectory(path.join(root, 'containerd')))
    throw unsupported(root, 'its images are kept by containerd, not by a graph driver')
  throw notDocker(root)
}

function unsupported(root: string, why: string): ToolError {
  return new ToolError('DRIVER_UNSUPPORTED', `cannot use the Docker folder "${root}": ${why}; ${INSTEAD}`)
}

function notDocker(root: string): ToolError {
  const why = 'docker info shows it as "Docker Root Dir"'
  return new ToolError('DOCKER_FOLDER_INVALID', `"${root}" is no folder of a Docker engine: ${why}`)
}

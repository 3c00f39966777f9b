/**
 * Passes a tar through and checks it, so that no layer is made that cannot be unpacked.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { componentsOf, PathSet, quoted } from '@pipelayer/rootfs'
import { type ReadEntry, TarParser } from '@pipelayer/tar'

/**
 * Passes on the bytes of a tar unchanged.
 *
 * @throws ToolError those of TarParser; `PATH_ESCAPES`; `DUPLICATE_ENTRY`: the tar names one path twice, as
 *   `tar --append` does: unpack it and pack the tree instead
 */
export async function* checkedTar(
  tar: AsyncIterable<Buffer>,
  onEntry: () => void,
): AsyncGenerator<Buffer, void, void> {
  const parser = new TarParser({ holes: 'events' })
  const paths = new PathSet()
  for await (const chunk of tar) {
    for (const event of parser.push(chunk)) {
      if (event.type !== 'entry') continue
      checkPath(event.entry, paths)
      onEntry()
    }
    yield chunk
  }
  parser.finish()
}

/**
 * Reads a tar to its end and checks that it is whole and that no name in it leaves the root.
 *
 * @throws ToolError those of TarParser; `PATH_ESCAPES`
 */
export async function checkTar(tar: AsyncIterable<Buffer>): Promise<void> {
  const parser = new TarParser({ holes: 'events' })
  for await (const chunk of tar) {
    for (const event of parser.push(chunk)) if (event.type === 'entry') componentsOf(event.entry.name)
  }
  parser.finish()
}

function checkPath(entry: ReadEntry, paths: PathSet): void {
  const path = componentsOf(entry.name).join('/')
  if (!paths.add(path) && entry.type !== 'dir')
    throw new ToolError('DUPLICATE_ENTRY', `entry ${quoted(entry.name)}: the tar has this path twice`)
}

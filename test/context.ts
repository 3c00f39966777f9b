/**
 * Build contexts for tests: small root filesystems that need no network.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { ROOT } from '@pipelayer/testkit'
import type { Lab } from './lab.js'

/** Makes a folder `context` in the lab: a root filesystem in `rootfs/`, some files, and the given Dockerfile. */
export function writeContext(where: Lab, dockerfile: string): string {
  const dir = where.path('context')
  fs.mkdirSync(dir, { recursive: true })
  const made = spawnSync(path.join(ROOT, 'examples/hello/make-rootfs'), [path.join(dir, 'rootfs')], {
    encoding: 'utf8',
  })
  if (made.status !== 0) throw new Error(`make-rootfs: ${made.stderr}`)
  where.write({ 'context/Dockerfile': dockerfile, 'context/files/a': 'a\n', 'context/files/sub/b': 'b\n' })
  return dir
}

/** A Dockerfile with every kind of step; `extra` is inserted before CMD. */
export function dockerfile(extra = ''): string {
  return `FROM scratch
COPY rootfs/ /
ENV PATH=/bin NAME=value
WORKDIR /srv
COPY files/ ./
RUN echo "$NAME" > made && rm -r /usr/share/doc
${extra}
CMD ["cat", "/srv/made"]
`
}

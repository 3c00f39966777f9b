/**
 * bundle-gen: turns an image and its root filesystem into an OCI runtime bundle.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'
import { replaceMountPoints, runtimeSpec } from '@pipelayer/containers'
import { attempt, ToolError } from '@pipelayer/errors'
import type { AnyRecord, BundleRecord, ConfigRecord } from '@pipelayer/records'
import { type ContainerOptions, containerRequest } from './container.js'

export interface BundleGenOptions extends ContainerOptions {
  /** The folder for config.json; it is made if it does not exist. */
  readonly bundle: string
  /** The root filesystem; `rootfs` in the bundle unless said. */
  readonly rootfs?: string | undefined
  /** Is called for each symlink of the root filesystem that was replaced by a directory. */
  readonly onWarning?: (message: string) => void
}

/**
 * Writes the bundle of the one image of the stream, when the stream is complete. Records pass through, and a `bundle`
 * record follows them. config.json appears whole or not at all. If /dev, /proc or /sys is a symlink in the root
 * filesystem, it is replaced by a directory, because a runtime may write to the path of the host that the symlink
 * names.
 *
 * @throws {ToolError} `CONFIG_MISSING` without a config record, `CONFIG_AMBIGUOUS` with several that differ;
 * `ROOTFS_MISSING`; `MOUNT_POINT_INVALID` if /dev, /proc or /sys is a file; those of {@link containerRequest}
 */
export async function* bundleGen(
  records: AsyncIterable<AnyRecord>,
  options: BundleGenOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const configs: ConfigRecord[] = []
  for await (const record of records) {
    if (record.type === 'config') configs.push(record as ConfigRecord)
    yield record
  }
  yield writeBundle(theOnly(configs), options)
}

function theOnly(configs: readonly ConfigRecord[]): ConfigRecord {
  const [config] = configs
  if (config === undefined)
    throw new ToolError('CONFIG_MISSING', 'no config came: a bundle is made from the records of an image')
  const texts = new Set(configs.map(each => JSON.stringify(each.config)))
  if (texts.size > 1)
    throw new ToolError('CONFIG_AMBIGUOUS', `${texts.size} images came: a bundle is made from one`)
  return config
}

function writeBundle(record: ConfigRecord, options: BundleGenOptions): BundleRecord {
  const bundle = path.resolve(options.bundle)
  const rootfs = path.resolve(options.rootfs ?? path.join(bundle, 'rootfs'))
  if (!fs.statSync(rootfs, { throwIfNoEntry: false })?.isDirectory())
    throw new ToolError(
      'ROOTFS_MISSING',
      `there is no root filesystem in "${rootfs}": say where with --rootfs`,
    )
  const inside = path.relative(bundle, rootfs)
  const place = inside.startsWith('..') ? rootfs : inside
  const { onWarning } = options
  const request = containerRequest(record.config, rootfs, options)
  replaceMountPoints(rootfs, (name, target) =>
    onWarning?.(
      `"/${name}" of the root filesystem was a symlink to "${target}"; it is a directory now, since a container has a mount there`,
    ),
  )
  const spec = runtimeSpec({ ...request, rootfs: place })
  attempt(`write the bundle "${bundle}"`, () => {
    fs.mkdirSync(bundle, { recursive: true })
    const temporary = path.join(bundle, `.config.json.${process.pid}`)
    try {
      fs.writeFileSync(temporary, `${JSON.stringify(spec, undefined, 2)}\n`, { flush: true } as object)
      fs.renameSync(temporary, path.join(bundle, 'config.json'))
    } finally {
      fs.rmSync(temporary, { force: true })
    }
  })
  return { type: 'bundle', image: record.image, path: bundle, rootfs }
}

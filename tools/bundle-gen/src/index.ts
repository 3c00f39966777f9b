/**
 * bundle-gen: turns an image and its root filesystem into an OCI runtime bundle.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'
import { replaceMountPoints, runtimeSpec, specText } from '@pipelayer/containers'
import { attempt, ToolError } from '@pipelayer/errors'
import type { AnyRecord, BundleRecord, ConfigRecord } from '@pipelayer/records'
import { containerRequest } from './container.js'
import { type BundleFile, hostFiles } from './host-files.js'
import { type Connector, connectingHooks, findConnector } from './private-network.js'
import { type ContainerOptions, parseWishes, type Wishes } from './wishes.js'

export interface BundleGenOptions extends ContainerOptions {
  /** The folder for config.json; it is made if it does not exist. */
  readonly bundle: string
  /** The root filesystem; `rootfs` in the bundle unless said. */
  readonly rootfs?: string | undefined
  /**
   * Is called for each symlink of the root filesystem that was replaced by a directory, and for what the container will
   * lack.
   */
  readonly onWarning?: (message: string) => void
  /** Where variables have values, and programs are found; the process's own unless said. */
  readonly outer?: NodeJS.ProcessEnv
  /** Finds what connects a private network; {@link findConnector} unless said. */
  readonly connect?: (searchPath: string | undefined) => Connector | undefined
}

/**
 * Writes the bundle of the one image of the stream, when the stream is complete. Records pass through, and a `bundle`
 * record follows them. config.json appears whole or not at all. If /dev, /proc or /sys is a symlink in the root
 * filesystem, it is replaced by a directory, because a runtime may write to the path of the host that the symlink
 * names.
 *
 * @throws {ToolError} `CONFIG_MISSING` without a config record, `CONFIG_AMBIGUOUS` with several that differ;
 * `ROOTFS_MISSING`; `MOUNT_POINT_INVALID` if /dev, /proc or /sys is a file; those of {@link parseWishes}, before
 * anything is read; those of {@link containerRequest}
 */
export async function* bundleGen(
  records: AsyncIterable<AnyRecord>,
  options: BundleGenOptions,
): AsyncGenerator<AnyRecord, void, void> {
  const wishes = parseWishes(options, options.outer ?? process.env)
  const configs: ConfigRecord[] = []
  for await (const record of records) {
    if (record.type === 'config') configs.push(record as ConfigRecord)
    yield record
  }
  yield writeBundle(theOnly(configs), { ...options, wishes })
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

function writeBundle(
  record: ConfigRecord,
  options: BundleGenOptions & { readonly wishes: Wishes },
): BundleRecord {
  const { wishes, onWarning, network = 'host', hostname } = options
  const bundle = path.resolve(options.bundle)
  const rootfs = path.resolve(options.rootfs ?? path.join(bundle, 'rootfs'))
  if (!fs.statSync(rootfs, { throwIfNoEntry: false })?.isDirectory())
    throw new ToolError(
      'ROOTFS_MISSING',
      `there is no root filesystem in "${rootfs}": say where with --rootfs`,
    )
  const inside = path.relative(bundle, rootfs)
  const place = inside.startsWith('..') ? rootfs : inside
  const connector = connectorFor(options)
  const { mounts, files } = hostFiles({ network, hostname, connector, bundle })
  const request = containerRequest(record.config, { rootfs, options, wishes, files: mounts, onWarning })
  replaceMountPoints(rootfs, (name, target) =>
    onWarning?.(
      `"/${name}" of the root filesystem was a symlink to "${target}"; it is a directory now, since a container has a mount there`,
    ),
  )
  const hooks = connector && connectingHooks(connector, { bundle, ports: wishes.ports })
  const spec = runtimeSpec({ ...request, rootfs: place, ...(hooks === undefined ? {} : { hooks }) })
  writeFiles(bundle, [...files, { name: 'config.json', text: specText(spec) }])
  return { type: 'bundle', image: record.image, path: bundle, rootfs }
}

function connectorFor(options: BundleGenOptions & { readonly wishes: Wishes }): Connector | undefined {
  const { network, wishes, onWarning, outer = process.env, connect = findConnector } = options
  if (network !== 'private') {
    if (wishes.ports.length > 0) onWarning?.('ports are published with --network private alone')
    return undefined
  }
  const connector = connect(outer.PATH)
  if (connector === undefined)
    onWarning?.(
      'neither pasta nor slirp4netns is installed: nothing connects the network of the container, which reaches itself alone',
    )
  return connector
}

// config.json comes last, so that no runtime finds one whose files are missing.
function writeFiles(bundle: string, files: readonly BundleFile[]): void {
  attempt(`write the bundle "${bundle}"`, () => {
    fs.mkdirSync(bundle, { recursive: true })
    for (const { name, text } of files) {
      const temporary = path.join(bundle, `.${name}.${process.pid}`)
      try {
        fs.writeFileSync(temporary, text, { flush: true } as object)
        fs.renameSync(temporary, path.join(bundle, name))
      } finally {
        fs.rmSync(temporary, { force: true })
      }
    }
  })
}

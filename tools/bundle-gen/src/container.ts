import fs from 'node:fs'
import {
  accountsIn,
  type ContainerRequest,
  DEFAULT_PATH,
  type Identity,
  type Mount,
  processIdentity,
  resolveCwd,
} from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import { checkConfig, type ImageConfig, isObject, type JsonObject } from '@pipelayer/oci'
import { binaryOf, Rooted } from '@pipelayer/rootfs'

/** The wishes of the caller for the container, beyond what the image says. */
export interface ContainerOptions {
  /** The command in place of the image's CMD; the ENTRYPOINT of the image stays. */
  readonly command?: readonly string[]
  readonly terminal?: boolean
  readonly network?: 'host' | 'none'
  readonly readOnly?: boolean
  /**
   * Makes the container for a runtime that this user starts, who is root inside. Undefined: for a runtime started by
   * root.
   */
  readonly rootless?: { readonly uid: number; readonly gid: number } | undefined
}

type Wish = Omit<ContainerRequest, 'rootfs'>

/**
 * Turns the config of an image into a request for a container. Spec: image-spec v1.1, conversion.md.
 *
 * @throws {ToolError} `COMMAND_MISSING`, `USER_UNKNOWN`, `USER_NOT_MAPPED`, `WORKDIR_INVALID`, `CONFIG_INVALID`
 */
export function containerRequest(
  document: Readonly<Record<string, unknown>>,
  rootfs: string,
  options: ContainerOptions,
): Wish {
  const image = checkConfig({ rootfs: { type: 'layers', diff_ids: [] }, ...document })
  const config = isObject(image.config) ? image.config : {}
  const args = [...texts(config, 'Entrypoint'), ...(options.command ?? texts(config, 'Cmd'))]
  if (args.length === 0)
    throw new ToolError('COMMAND_MISSING', 'the image names no command: give one after the bundle')
  const cwd = text(config, 'WorkingDir') || '/'
  const user = identityIn(rootfs, { user: text(config, 'User'), cwd }, options)
  return {
    process: {
      args,
      env: envOf(config, user, options),
      cwd,
      user,
      terminal: options.terminal ?? false,
    },
    network: options.network ?? 'host',
    readonlyRootfs: options.readOnly ?? false,
    mounts: [...hostFiles(options), ...volumes(config, options)],
    annotations: annotations(image, config),
    ...(options.rootless === undefined ? {} : { caller: { rootless: options.rootless } }),
  }
}

function identityIn(
  rootfs: string,
  wanted: { readonly user: string; readonly cwd: string },
  { rootless }: ContainerOptions,
): Identity {
  const root = Rooted.open(rootfs)
  try {
    resolveCwd(root, binaryOf(wanted.cwd))
    const user = processIdentity(wanted.user, accountsIn(root))
    if (rootless === undefined) return user
    if (user.uid !== 0 || user.gid !== 0)
      throw new ToolError(
        'USER_NOT_MAPPED',
        `the image runs as ${user.uid}:${user.gid}; a rootless bundle has no other user than root`,
      )
    return { ...user, groups: [] }
  } finally {
    root.close()
  }
}

// HOME comes from passwd only if the image does not set it.
function envOf(config: JsonObject, user: Identity, { terminal }: ContainerOptions): string[] {
  const given = texts(config, 'Env')
  const has = (name: string): boolean => given.some(entry => entry.startsWith(`${name}=`))
  return [
    ...(has('PATH') ? [] : [`PATH=${DEFAULT_PATH}`]),
    ...(terminal && !has('TERM') ? ['TERM=xterm'] : []),
    ...given,
    ...(has('HOME') ? [] : [`HOME=${user.home}`]),
  ]
}

function hostFiles({ network = 'host' }: ContainerOptions): Mount[] {
  const source = '/etc/resolv.conf'
  if (network === 'none' || !fs.existsSync(source)) return []
  return [{ destination: source, type: 'bind', source, options: ['bind', 'ro', 'nosuid', 'nodev'] }]
}

// In a writable root, a volume is just the directory of the image. In a read-only one, something writable has to be
// mounted there.
function volumes(config: JsonObject, { readOnly }: ContainerOptions): Mount[] {
  if (!readOnly || !isObject(config.Volumes)) return []
  return Object.keys(config.Volumes).map(destination => ({
    destination,
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'nodev', 'mode=0755'],
  }))
}

/**
 * The properties of the image under the names of image-spec, and its labels under their own names; a label overrides a
 * property.
 */
function annotations(image: ImageConfig, config: JsonObject): Record<string, string> {
  const ports = isObject(config.ExposedPorts) ? Object.keys(config.ExposedPorts).sort().join(',') : ''
  const implicit = {
    os: text(image, 'os'),
    architecture: text(image, 'architecture'),
    variant: text(image, 'variant'),
    author: text(image, 'author'),
    created: text(image, 'created'),
    stopSignal: text(config, 'StopSignal'),
    exposedPorts: ports,
  }
  const named = Object.entries(implicit).filter(([, value]) => value !== '')
  const labels = isObject(config.Labels) ? Object.entries(config.Labels) : []
  return Object.fromEntries([
    ...named.map(([name, value]) => [`org.opencontainers.image.${name}`, value]),
    ...labels.filter(([, value]) => typeof value === 'string'),
  ])
}

function text(object: Readonly<Record<string, unknown>>, field: string): string {
  const value = object[field]
  return typeof value === 'string' ? value : ''
}

function texts(object: JsonObject, field: string): string[] {
  const value = object[field] ?? []
  if (!Array.isArray(value) || !value.every(item => typeof item === 'string'))
    throw new ToolError('CONFIG_INVALID', `${field} in the config is not a list of strings`)
  return value
}

import {
  accountsIn,
  type ContainerRequest,
  DEFAULT_PATH,
  holdsID,
  type Identity,
  type Mount,
  processIdentity,
  resolveCwd,
} from '@pipelayer/containers'
import { ToolError } from '@pipelayer/errors'
import { checkConfig, type ImageConfig, isObject, type JsonObject } from '@pipelayer/oci'
import { binaryOf, cleanName, Rooted } from '@pipelayer/rootfs'
import { mergeVariables } from './environment.js'
import { outerFirst } from './mounts.js'
import { optionError } from './option-error.js'
import type { ContainerOptions, Wishes } from './wishes.js'

type Wish = Omit<ContainerRequest, 'rootfs'>

/** Where the container's root filesystem is, and what the caller wants. */
export interface RequestOptions {
  readonly rootfs: string
  readonly options: ContainerOptions
  readonly wishes: Wishes
  /** Mounts of files that every container gets: `/etc/hosts` and the like. */
  readonly files: readonly Mount[]
  readonly onWarning?: ((message: string) => void) | undefined
}

/**
 * Turns the config of an image, and what the caller wants, into a request for a container. Spec: image-spec v1.1,
 * conversion.md.
 *
 * @throws {ToolError} `COMMAND_MISSING`, `USER_UNKNOWN`, `USER_INVALID`, `USER_NOT_MAPPED`, `WORKDIR_INVALID`,
 * `CONFIG_INVALID`, `OPTION_INVALID`
 */
export function containerRequest(
  document: Readonly<Record<string, unknown>>,
  { rootfs, options, wishes, files, onWarning }: RequestOptions,
): Wish {
  const image = checkConfig({ rootfs: { type: 'layers', diff_ids: [] }, ...document })
  const config = isObject(image.config) ? image.config : {}
  const args = argsOf(config, options)
  const cwd = options.workdir ?? (text(config, 'WorkingDir') || '/')
  const root = Rooted.open(rootfs)
  try {
    resolveCwd(root, binaryOf(cwd))
    requireInside(root, wishes)
    const named = options.user ?? text(config, 'User')
    const user = mapped(processIdentity(named, accountsIn(root)), { options, onWarning })
    const env = envOf(config, { user, options, wishes })
    return {
      process: { args, env, cwd, user, terminal: options.terminal ?? false },
      network: options.network === undefined || options.network === 'host' ? 'host' : 'none',
      ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
      mounts: mountsOf(config, { options, wishes, files }),
      annotations: { ...annotations(image, config), ...wishes.annotations },
      confinement: {
        readonlyRootfs: options.readOnly ?? false,
        capabilities: wishes.capabilities,
        ...(wishes.seccomp === undefined ? {} : { seccomp: wishes.seccomp }),
        limits: wishes.limits,
        rlimits: wishes.rlimits,
      },
      caller: wishes.caller,
    }
  } finally {
    root.close()
  }
}

// As with Docker, an entrypoint of the caller leaves nothing of the image's command.
function argsOf(config: JsonObject, { entrypoint, command }: ContainerOptions): string[] {
  const first =
    entrypoint === undefined ? texts(config, 'Entrypoint') : [entrypoint].filter(word => word !== '')
  const rest = command ?? (entrypoint === undefined ? texts(config, 'Cmd') : [])
  if (first.length + rest.length === 0)
    throw new ToolError('COMMAND_MISSING', 'the image names no command: give one after the bundle')
  return [...first, ...rest]
}

// The runtime finds the place of a mount inside the root; here a symlink to the root itself is found, which would hide
// the whole container.
function requireInside(root: Rooted, { wanted }: Wishes): void {
  for (const { destination } of wanted.mounts)
    if (root.resolve(cleanName(binaryOf(destination))) === '')
      throw optionError('--volume', destination, 'in this image the destination is "/", which cannot be one')
}

// A user of the image who is not in the map of a user namespace cannot be had there.
function mapped(
  user: Identity,
  { options, onWarning }: Pick<RequestOptions, 'options' | 'onWarning'>,
): Identity {
  const { rootless, inside } = options
  if (rootless === undefined && inside === undefined) return user
  const map = inside ?? rootless?.idMap ?? { uid: [[0, 0, 1]], gid: [[0, 0, 1]] }
  if (!holdsID(map.uid, user.uid) || !holdsID(map.gid, user.gid))
    throw new ToolError(
      'USER_NOT_MAPPED',
      `the container runs as ${user.uid}:${user.gid}, who is not among the users that a bundle of yours can have: /etc/subuid and /etc/subgid give you more`,
    )
  if (inside !== undefined) return { ...user, groups: user.groups.filter(id => holdsID(inside.gid, id)) }
  const lost = user.groups.filter(id => id !== user.gid && user.uid !== 0)
  if (lost.length > 0)
    onWarning?.(`the user is not in groups ${lost.join(', ')}: without root, a runtime gives one group`)
  return { ...user, groups: [] }
}

interface EnvParts {
  readonly user: Identity
  readonly options: ContainerOptions
  readonly wishes: Wishes
}

// HOME comes from passwd only if neither the image nor the caller sets it.
function envOf(config: JsonObject, { user, options: { terminal, hostname }, wishes }: EnvParts): string[] {
  const given = mergeVariables(texts(config, 'Env'), wishes.variables)
  const defaults = [
    ['PATH', DEFAULT_PATH],
    ...(hostname === undefined ? [] : [['HOSTNAME', hostname]]),
    ...(terminal ? [['TERM', 'xterm']] : []),
  ] as const
  const lacks = (name = ''): boolean => !given.some(entry => entry.startsWith(`${name}=`))
  return [
    ...defaults.filter(([name]) => lacks(name)).map(([name, value]) => `${name}=${value}`),
    ...given,
    ...(lacks('HOME') ? [`HOME=${user.home}`] : []),
  ]
}

// A mount of the caller takes the place of one that every container gets.
function mountsOf(
  config: JsonObject,
  { options, wishes, files }: Pick<RequestOptions, 'options' | 'wishes' | 'files'>,
): Mount[] {
  const { mounts, volumes } = wishes.wanted
  const own = new Set(mounts.map(({ destination }) => destination))
  const isFree = ({ destination }: Mount): boolean => !own.has(destination)
  return outerFirst([...[...files, ...emptyVolumes(config, { options, volumes })].filter(isFree), ...mounts])
}

// In a writable root, a volume is just the directory of the image. In a read-only one, something writable has to be
// mounted there.
function emptyVolumes(
  config: JsonObject,
  { options, volumes }: { readonly options: ContainerOptions; readonly volumes: readonly string[] },
): Mount[] {
  if (!options.readOnly) return []
  const declared = isObject(config.Volumes) ? Object.keys(config.Volumes) : []
  return [...new Set([...declared, ...volumes])].map(destination => ({
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

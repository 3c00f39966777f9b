/**
 * `config.json` of an OCI runtime bundle. Spec: runtime-spec v1.1, config.md and config-linux.md; the values are those
 * that Docker 28 gives a container without options.
 *
 * @module
 */
import { randomUUID } from 'node:crypto'
import type { IdMap } from '@pipelayer/records'
import type { LinuxSeccomp } from './seccomp-profile.js'
import type { Identity } from './users.js'

export interface Mount {
  readonly destination: string
  readonly type: string
  readonly source: string
  readonly options: readonly string[]
}

/** The command that a container runs. */
export interface ContainerProcess {
  readonly args: readonly string[]
  /** `NAME=value`. */
  readonly env: readonly string[]
  /** Absolute. */
  readonly cwd: string
  readonly user: Identity
  readonly terminal?: boolean
}

/** The rights of the runtime's own process; those of root, unless said. */
export interface RuntimeCaller {
  /**
   * The runtime works without root's rights, in a user namespace in which this user is root. No other id exists there,
   * unless `idMap` says so: then the runtime needs newuidmap and newgidmap.
   */
  readonly rootless?: { readonly uid: number; readonly gid: number; readonly idMap?: IdMap }
  /**
   * The runtime runs as root of a user namespace that exists already, so all that only root of the machine may do is
   * left out.
   */
  readonly inUserNamespace?: boolean
  /** Whether group 5 exists, to which terminals belong. Without a user namespace it does. */
  readonly ttyGroup?: boolean
}

/** A limit of one kind of resource of the container's processes. Spec: config.md, "POSIX process", `rlimits`. */
export interface ProcessLimit {
  /** `RLIMIT_NOFILE` and so on. */
  readonly type: string
  /** Of 64 bits, so that -1 of setrlimit(2), which is no limit, can be said; see {@link specText}. */
  readonly soft: bigint
  readonly hard: bigint
}

/** Limits of the whole container. Those that are undefined are not set. */
export interface ContainerLimits {
  /** Bytes. */
  readonly memory?: number
  /** Bytes of memory and swap together; -1 for any amount of swap. */
  readonly memorySwap?: number
  /** How many processors' time: 1.5 is one and a half. */
  readonly cpus?: number
  /** How many processes and threads. */
  readonly pids?: number
}

/** A program of the host that the runtime starts at a point of a container's life. Spec: config.md, "POSIX-platform Hooks". */
export interface Hook {
  readonly path: string
  readonly args: readonly string[]
  readonly env: readonly string[]
  /** Seconds. */
  readonly timeout: number
}

/** What the container may not do, beside what no container may. */
export interface Confinement {
  readonly readonlyRootfs?: boolean
  /** `CAP_CHOWN` and so on, in place of Docker's default set. */
  readonly capabilities?: readonly string[]
  readonly seccomp?: LinuxSeccomp
  readonly limits?: ContainerLimits
  readonly rlimits?: readonly ProcessLimit[]
}

/** The properties of a container. */
export interface ContainerRequest {
  readonly process: ContainerProcess
  /** Absolute, or relative to the bundle. */
  readonly rootfs: string
  readonly hostname?: string
  /** `host`: the network of the host. `none`: a network of its own without a connection. */
  readonly network: 'host' | 'none'
  /** They are made after the standard mounts. */
  readonly mounts?: readonly Mount[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly confinement?: Confinement
  readonly hooks?: { readonly createRuntime: readonly Hook[]; readonly poststop: readonly Hook[] }
  /** Give the step these capabilities in place of Docker's, and all devices; nothing is masked or read-only. */
  readonly insecure?: { readonly capabilities: readonly string[] }
  readonly caller?: RuntimeCaller
}

/** Docker's default set. The inheritable set stays empty: CVE-2022-27649. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
]

/** The same names for setpriv, which takes them without their prefix. */
export const CAPABILITY_NAMES: readonly string[] = DEFAULT_CAPABILITIES.map(name =>
  name.slice(4).toLowerCase(),
)

/** Paths that a step must not see. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
]
/** Paths that a step must not change. */
export const READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
]

/** The standard mount points, in the order in which they are mounted. */
export const STANDARD_MOUNTS: readonly string[] = ['/proc', '/dev', '/sys']

/**
 * Makes the content of `config.json`. It sets no limits unless asked, because raising one may need rights that the
 * caller lacks. A mount of the caller at the place of a standard mount takes its place, and one at `/dev` the place of
 * all below it.
 */
export function runtimeSpec(request: ContainerRequest): Record<string, unknown> {
  return {
    ociVersion: '1.0.2',
    process: processOf(request),
    root: { path: request.rootfs, readonly: request.confinement?.readonlyRootfs ?? false },
    ...(request.hostname === undefined ? {} : { hostname: request.hostname }),
    mounts: mountsOf(request),
    ...(request.annotations === undefined ? {} : { annotations: request.annotations }),
    ...(request.hooks === undefined ? {} : { hooks: request.hooks }),
    linux: linuxOf(request),
  }
}

/** The text of a spec. Numbers of 64 bits, which JSON of JavaScript cannot write, are written in full. */
export function specText(spec: Readonly<Record<string, unknown>>): string {
  const mark = `integer-${randomUUID()}-`
  const text = JSON.stringify(spec, (_, value) => (typeof value === 'bigint' ? mark + value : value), 2)
  return `${text.replaceAll(new RegExp(`"${mark}(\\d+)"`, 'g'), '$1')}\n`
}

function mountsOf(request: ContainerRequest): Mount[] {
  const { mounts = [] } = request
  const taken = new Set(mounts.map(({ destination }) => destination))
  const isFree = ({ destination }: Mount): boolean =>
    !taken.has(destination) && !(taken.has('/dev') && destination.startsWith('/dev/'))
  return [...standardMounts(request).filter(isFree), ...mounts]
}

function processOf({ process, insecure, confinement = {} }: ContainerRequest): Record<string, unknown> {
  const { args, env, cwd, terminal = false } = process
  const { capabilities, rlimits } = confinement
  const { uid, gid, groups } = process.user
  const all = insecure?.capabilities ?? capabilities ?? DEFAULT_CAPABILITIES
  const few = uid === 0 ? all : []
  return {
    terminal,
    user: { uid, gid, umask: 0o022, ...(groups.length > 0 ? { additionalGids: groups } : {}) },
    args,
    env,
    cwd,
    capabilities: { bounding: all, effective: few, permitted: few },
    // setuid programs (su, sudo, ping) work in a build, as they do in Docker's builds.
    noNewPrivileges: false,
    ...(rlimits === undefined || rlimits.length === 0 ? {} : { rlimits }),
  }
}

function standardMounts(request: ContainerRequest): Mount[] {
  const { rootless, inUserNamespace, ttyGroup } = request.caller ?? {}
  const own = rootless !== undefined || inUserNamespace === true
  const group = (ttyGroup ?? !own) ? ['gid=5'] : []
  const pts = ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', ...group]
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: pts },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: ['nosuid', 'noexec', 'nodev', 'mode=1777', 'size=65536k'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
    sysMount(request, { own }),
    ...(own ? [] : [cgroupMount(request)]),
  ]
}

// Root of a user namespace has no cgroup of its own that could be mounted.
function cgroupMount(request: ContainerRequest): Mount {
  const options = ['nosuid', 'noexec', 'nodev', 'relatime', ...(request.insecure ? [] : ['ro'])]
  return { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options }
}

// Only the owner of a network namespace can mount a sysfs. With the host's network and without root's rights, the
// host's /sys is bound instead.
function sysMount(request: ContainerRequest, { own }: { readonly own: boolean }): Mount {
  const safe = ['nosuid', 'noexec', 'nodev', ...(request.insecure ? [] : ['ro'])]
  if (own && request.network === 'host')
    return {
      destination: '/sys',
      type: 'none',
      source: '/sys',
      options: ['rbind', ...safe],
    }
  return { destination: '/sys', type: 'sysfs', source: 'sysfs', options: safe }
}

function linuxOf(request: ContainerRequest): Record<string, unknown> {
  const { rootless } = request.caller ?? {}
  const kinds = [
    ...['pid', 'ipc', 'uts', 'mount'],
    ...(request.network === 'none' ? ['network'] : []),
    ...(rootless === undefined ? [] : ['user']),
  ]
  const resources = { ...devicesOf(request), ...limitsOf(request.confinement?.limits ?? {}) }
  return {
    ...(Object.keys(resources).length === 0 ? {} : { resources }),
    namespaces: kinds.map(type => ({ type })),
    ...(rootless === undefined ? {} : idMappings(rootless)),
    ...(request.confinement?.seccomp === undefined ? {} : { seccomp: request.confinement.seccomp }),
    ...(request.insecure ? {} : { maskedPaths: MASKED_PATHS, readonlyPaths: READONLY_PATHS }),
  }
}

// Only root of the machine may say which devices a container reaches.
function devicesOf({ caller, insecure }: ContainerRequest): Record<string, unknown> {
  if (caller?.rootless !== undefined || caller?.inUserNamespace === true) return {}
  return { devices: insecure ? [{ allow: true, access: 'rwm' }] : DEVICE_RULES }
}

/** The length of a turn in which the kernel hands out time of processors, in microseconds, as Docker has it. */
const CPU_PERIOD = 100_000

function limitsOf({ memory, memorySwap, cpus, pids }: ContainerLimits): Record<string, unknown> {
  const amounts = {
    ...(memory === undefined ? {} : { limit: memory }),
    ...(memorySwap === undefined ? {} : { swap: memorySwap }),
  }
  return {
    ...(memory === undefined && memorySwap === undefined ? {} : { memory: amounts }),
    ...(cpus === undefined ? {} : { cpu: { quota: Math.round(cpus * CPU_PERIOD), period: CPU_PERIOD } }),
    ...(pids === undefined ? {} : { pids: { limit: pids } }),
  }
}

function idMappings({ uid, gid, idMap }: NonNullable<RuntimeCaller['rootless']>): Record<string, unknown> {
  const mappings = (rows: IdMap['uid']): object[] =>
    rows.map(([containerID, hostID, size]) => ({ containerID, hostID, size }))
  return {
    uidMappings: mappings(idMap?.uid ?? [[0, uid, 1]]),
    gidMappings: mappings(idMap?.gid ?? [[0, gid, 1]]),
  }
}

/** First all devices are denied; then come those that Docker allows: making nodes, and the harmless devices. */
const DEVICE_RULES = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...[
    [1, 3],
    [1, 5],
    [1, 7],
    [1, 8],
    [1, 9],
    [5, 0],
    [5, 1],
    [5, 2],
  ].map(([major, minor]) => ({ allow: true, type: 'c', major, minor, access: 'rwm' })),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
]

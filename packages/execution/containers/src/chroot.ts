/**
 * Runs a step without an OCI runtime: in new namespaces, with the usual mounts, by chroot, as the step's user, with
 * Docker's capabilities. This isolates less than a runtime: there are no device rules and no cgroup, and only the
 * changed root hides the host's mounts.
 *
 * @module
 */
import {
  CAPABILITY_NAMES,
  type ContainerRequest,
  MASKED_PATHS,
  type Mount,
  READONLY_PATHS,
} from './runtime-spec.js'
import { shellWord } from './shell-word.js'

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty']

/**
 * Variables that the dynamic loader obeys in the programs which start the step. They are set behind those programs, in
 * the image.
 */
const LOADER =
  /^(LD_|GLIBC_TUNABLES$|GCONV_PATH$|LOCPATH$|NLSPATH$|MALLOC_|RES_OPTIONS$|HOSTALIASES$|LOCALDOMAIN$)/
const SET_INSIDE = 'while [ "$1" != -- ]; do export "$1"; shift; done; shift; exec "$@"'

/** The groups of root. In a user namespace with one mapped id, no process may set groups. */
const ROOT_GROUPS =
  'read -r may 2>/dev/null < /proc/self/setgroups || may=allow\n[ "$may" = deny ] && groups= || groups=--groups=0'

/** Full names of the programs that start the step, so that the step's own PATH does not choose them. */
export type ChrootTools = Readonly<Record<(typeof CHROOT_TOOLS)[number], string>>
export const CHROOT_TOOLS = ['unshare', 'setpriv', 'mount', 'mkdir', 'ln', 'sh'] as const

export interface ChrootCommand {
  readonly program: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

/** The command to start. Mount destinations in `request` must be resolved: real names below the root. */
export function chrootCommand(request: ContainerRequest, tools: ChrootTools): ChrootCommand {
  const { args, env, cwd, user } = request.process
  const { uid, gid, groups } = user
  const held = env.filter(entry => LOADER.test(entry))
  const command = held.length === 0 ? args : ['/bin/sh', '-c', SET_INSIDE, 'sh', ...held, '--', ...args]
  const kept = CAPABILITY_NAMES.map(name => `+${name}`).join(',')
  const bounds = request.insecure ? [] : ['--bounding-set', `-all,${kept}`]
  const isRoot = uid === 0 && [gid, ...groups].every(id => id === 0)
  // Groups are set while the process still has the right to do so; the user is set last, after the root is changed.
  const group = [`--regid=${gid}`, groups.length > 0 ? `--groups=${groups.join(',')}` : '--clear-groups']
  const enter = [
    ...[tools.setpriv, ...bounds, '--inh-caps=-all'].map(shellWord),
    ...(isRoot ? ['$groups'] : group.map(shellWord)),
    ...[tools.unshare, `--root=${request.rootfs}`, `--wd=${cwd}`].map(shellWord),
    ...(isRoot ? [] : [`--setuid=${uid}`]),
  ]
  const script = `${mountScript(request, tools)}\n${ROOT_GROUPS}\nexec ${enter.join(' ')} -- "$@"`
  const namespaces = [
    '-m',
    '-p',
    '-f',
    '-i',
    '-u',
    '--kill-child',
    ...(request.network === 'none' ? ['-n'] : []),
  ]
  return {
    program: tools.unshare,
    args: [...namespaces, tools.sh, '-c', script, 'sh', ...command],
    env: environment(env.filter(entry => !LOADER.test(entry))),
  }
}

// Mounts are made before the root is changed, when a symlink on the way would lead to a place of the host. A tree that
// was mounted may contain such a symlink where the next mount is to be made; no process runs yet that could add one.
// The function runs in a subshell, so that the step's variables keep their values.
function placeFunction(rootfs: string, mkdir: string): string {
  return `place() (
  at=$2
  while [ "$at" != ${shellWord(rootfs)} ]; do
    [ ! -L "$at" ] || { echo "a symlink is on the way of the mount point: $at" >&2; exit 1; }
    at=\${at%/*}
  done
  if [ -d "$1" ]; then [ -d "$2" ] || ${shellWord(mkdir)} -p "$2"
  elif [ ! -e "$2" ]; then ${shellWord(mkdir)} -p "\${2%/*}"; : > "$2"; fi
)`
}

function mountScript(request: ContainerRequest, { mount, mkdir, ln }: ChrootTools): string {
  const below = (name: string): string => shellWord(`${request.rootfs}/${name}`)
  return [
    'set -e',
    placeFunction(request.rootfs, mkdir),
    ...['proc', 'sys', 'dev'].map(name => `place / ${below(name)}`),
    // The kernel does not let root of a user namespace write the host name, only read it.
    `{ echo ${shellWord(request.hostname ?? 'localhost')} > /proc/sys/kernel/hostname; } 2>/dev/null || :`,
    `${mount} -t proc -o nosuid,noexec,nodev proc ${below('proc')}`,
    // /sys is bound without the mounts inside it, which would stay writable. If the kernel refuses to leave them out,
    // they are bound as well.
    `${mount} --bind /sys ${below('sys')} 2>/dev/null || ${mount} --rbind /sys ${below('sys')}`,
    ...(request.insecure ? [] : guards(request, mount, below)),
    `${mount} -t tmpfs -o nosuid,mode=755,size=65536k tmpfs ${below('dev')}`,
    ...DEVICES.map(
      name => `: > ${below(`dev/${name}`)}; ${mount} --bind /dev/${name} ${below(`dev/${name}`)}`,
    ),
    `${ln} -s /proc/self/fd ${below('dev/fd')}`,
    ...['stdin', 'stdout', 'stderr'].map(
      (name, fd) => `${ln} -s /proc/self/fd/${fd} ${below(`dev/${name}`)}`,
    ),
    `${mkdir} -m 1777 ${below('dev/shm')}`,
    ...(request.mounts ?? []).map(each => mountLine(each, below, mount)),
  ].join('\n')
}

// Through these files root of the machine could change the machine. Root of a user namespace cannot, and may not mount
// over them.
function guards(request: ContainerRequest, mount: string, below: (name: string) => string): string[] {
  const otherwise = request.caller?.inUserNamespace === true ? ' 2>/dev/null || :' : ''
  const safe = 'nosuid,noexec,nodev'
  const shown = (name: string): string => below(name.slice(1))
  return [
    `${mount} -o remount,bind,ro,${safe} ${below('sys')} 2>/dev/null || :`,
    `for each in ${READONLY_PATHS.map(shown).join(' ')}; do`,
    `  [ ! -e "$each" ] || { ${mount} --bind "$each" "$each" && ${mount} -o remount,bind,ro,${safe} "$each"; }${otherwise}`,
    'done',
    `for each in ${MASKED_PATHS.map(shown).join(' ')}; do`,
    `  if [ -d "$each" ]; then ${mount} -t tmpfs -o ro,size=4k tmpfs "$each"${otherwise}`,
    `  elif [ -e "$each" ]; then ${mount} --bind /dev/null "$each"${otherwise}; fi`,
    'done',
  ]
}

function mountLine(wanted: Mount, below: (name: string) => string, mount: string): string {
  const target = below(wanted.destination.replace(/^\/+/, ''))
  if (wanted.type === 'tmpfs') {
    const options = shellWord(['nosuid', ...wanted.options].join(','))
    return `place / ${target}; ${mount} -t tmpfs -o ${options} tmpfs ${target}`
  }
  const source = shellWord(wanted.source)
  const bind = `place ${source} ${target}; ${mount} --bind ${source} ${target}`
  return wanted.options.includes('ro') ? `${bind}; ${mount} -o remount,bind,ro ${target}` : bind
}

function environment(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map(entry => [entry.slice(0, entry.indexOf('=')), entry.slice(entry.indexOf('=') + 1)]),
  )
}

/**
 * Recognises calls of the system's package manager in a RUN.
 *
 * @module
 */

import { programOf, type SimpleCommand } from './commands.js'

interface Manager {
  readonly install: readonly string[]
  readonly update: readonly string[]
  readonly upgrade: readonly string[]
  /** Options whose value is the next word. */
  readonly valued: ReadonlySet<string>
  /** The folders of its downloads. A mount there, or their removal, counts as a clean-up. */
  readonly caches: readonly string[]
  /** The subcommand that cleans up. `noCache` is an option of `install` with which no downloads stay. */
  readonly clean?: string
  readonly noCache?: string
  /** What a user adds to a RUN so that no downloads stay. */
  readonly tidy: (program: string) => string
  /** The subcommands that remove packages. */
  readonly remove: readonly string[]
  /** What keeps the program from asking questions. Without it, the program asks none. */
  readonly assumeYes?: RegExp
}

const APT: Manager = {
  install: ['install'],
  update: ['update'],
  upgrade: ['upgrade', 'dist-upgrade', 'full-upgrade'],
  valued: new Set(['-o', '--option', '-t', '--target-release', '-c', '--config-file', '-a']),
  caches: ['/var/lib/apt'],
  tidy: () => 'rm -rf /var/lib/apt/lists/*',
  remove: ['remove', 'purge', 'autoremove', 'autopurge'],
  assumeYes: /^(-[a-z]*y[a-z]*|-q{2,}y?|-q=[2-9]|--yes|--assume-yes|.*Assume-Yes.*)$/,
}

const DNF: Manager = {
  install: ['install', 'groupinstall'],
  update: ['makecache'],
  upgrade: ['update', 'upgrade'],
  valued: new Set([
    '-c',
    '--config',
    '-x',
    '--exclude',
    '--repo',
    '--repoid',
    '--enablerepo',
    '--disablerepo',
  ]),
  caches: ['/var/cache/yum', '/var/cache/dnf', '/var/cache/libdnf5'],
  clean: 'clean',
  tidy: program => `${program} clean all`,
  remove: ['remove', 'erase', 'autoremove'],
  assumeYes: /^(-[a-z]*y[a-z]*|--assumeyes|.*assumeyes=(1|True|true|yes))$/,
}

/** It takes -y, and asks nothing without it. */
const { assumeYes: _, ...MICRODNF }: Manager = DNF

const MANAGERS: ReadonlyMap<string, Manager> = new Map([
  ['apt-get', APT],
  ['apt', APT],
  ['yum', DNF],
  ['dnf', DNF],
  ['microdnf', MICRODNF],
  [
    'apk',
    {
      install: ['add'],
      update: ['update'],
      upgrade: ['upgrade'],
      valued: new Set(['-t', '--virtual', '-X', '--repository', '-p', '--root']),
      caches: ['/var/cache/apk', '/etc/apk/cache'],
      noCache: '--no-cache',
      tidy: () => 'apk add --no-cache',
      remove: ['del'],
    },
  ],
  [
    'zypper',
    {
      install: ['install', 'in'],
      update: ['refresh', 'ref'],
      upgrade: ['update', 'up', 'dist-upgrade', 'dup'],
      valued: new Set(['-r', '--repo', '--from', '-t', '--type', '-p', '--plus-repo', '--root', '-R']),
      caches: ['/var/cache/zypp'],
      clean: 'clean',
      tidy: () => 'zypper clean --all',
      remove: ['remove', 'rm'],
      assumeYes: /^(-n|-y|--no-confirm|--non-interactive)$/,
    },
  ],
])

/** One call of a package manager. */
export interface PackageCall {
  readonly program: string
  readonly manager: Manager
  readonly subcommand: string
  /** Words behind the subcommand that are no options. */
  readonly operands: readonly string[]
  readonly options: readonly string[]
}

/** The call of a package manager in a command, if it is one. */
export function packageCall(command: SimpleCommand): PackageCall | undefined {
  const [, ...words] = command
  const program = programOf(command)
  const manager = MANAGERS.get(program)
  if (manager === undefined) return undefined
  const options = words.filter(word => word.startsWith('-'))
  const [subcommand = '', ...operands] = words.filter(
    (word, index) => !word.startsWith('-') && !manager.valued.has(words[index - 1] ?? ''),
  )
  return { program, manager, subcommand, operands, options }
}

export function installs({ manager, subcommand }: PackageCall): boolean {
  return manager.install.includes(subcommand)
}

export function removesPackages({ manager, subcommand }: PackageCall): boolean {
  return manager.remove.includes(subcommand)
}

/** Whether the call upgrades the whole system. */
export function upgradesAll({ manager, subcommand, operands }: PackageCall): boolean {
  return manager.upgrade.includes(subcommand) && operands.length === 0
}

/** Whether the RUN of `call` leaves no downloaded files in the layer. */
export function cleansUp(
  { manager, options }: PackageCall,
  run: { readonly commands: readonly SimpleCommand[]; readonly mounts: readonly string[] },
): boolean {
  const { caches, clean, noCache } = manager
  if (noCache !== undefined && options.includes(noCache)) return true
  const isMounted = run.mounts.some(mount => caches.some(cache => mount.includes(cache)))
  return isMounted || run.commands.some(command => removes(command, caches) || calls(command, clean))
}

function removes([program = '', ...words]: SimpleCommand, caches: readonly string[]): boolean {
  return /(^|\/)(rm|find)$/.test(program) && words.some(word => caches.some(cache => word.startsWith(cache)))
}

function calls(command: SimpleCommand, clean: string | undefined): boolean {
  return clean !== undefined && packageCall(command)?.subcommand === clean
}

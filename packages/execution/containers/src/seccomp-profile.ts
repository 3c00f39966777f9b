/**
 * Seccomp profiles in the form that Docker and podman read, and what they become for one container: `linux.seccomp` of
 * a runtime spec. Spec: runtime-spec v1.1, config-linux.md, "Seccomp"; seccomp.json(5) of containers-common.
 *
 *     profile = { defaultAction, [defaultErrnoRet], [archMap | architectures], [flags], syscalls }
 *     rule    = { names, action, [errnoRet], [args], [includes], [excludes] }
 *
 * A rule counts where all of its `includes` hold and none of its `excludes` does: capabilities, architectures, and the
 * version of the kernel.
 *
 * @module
 */

export interface SeccompArgument {
  readonly index: number
  readonly value: number
  readonly valueTwo?: number
  readonly op: string
}

/** The conditions of a rule. */
export interface SeccompFilter {
  readonly caps?: readonly string[]
  /** As Go names them: `amd64`. */
  readonly arches?: readonly string[]
  /** `MAJOR.MINOR`. */
  readonly minKernel?: string
}

export interface SeccompRule {
  readonly names: readonly string[]
  readonly action: string
  readonly errnoRet?: number
  readonly args?: readonly SeccompArgument[]
  readonly includes?: SeccompFilter
  readonly excludes?: SeccompFilter
}

export interface SeccompArchitecture {
  readonly architecture: string
  readonly subArchitectures: readonly string[]
}

export interface SeccompProfile {
  readonly defaultAction: string
  readonly defaultErrnoRet?: number
  readonly archMap?: readonly SeccompArchitecture[]
  readonly architectures?: readonly string[]
  readonly flags?: readonly string[]
  readonly listenerPath?: string
  readonly listenerMetadata?: string
  readonly syscalls: readonly SeccompRule[]
}

/** The machine and the container that a profile is for. */
export interface SeccompTarget {
  /** As Node names it: `x64`. */
  readonly arch: string
  /** As `uname -r` says it. */
  readonly kernel: string
  /** The bounding set: `CAP_CHOWN` and so on. */
  readonly capabilities: readonly string[]
}

/** Node's name of an architecture, Go's, and libseccomp's. */
const ARCHITECTURES: Readonly<Record<string, readonly [go: string, seccomp: string]>> = {
  x64: ['amd64', 'X86_64'],
  ia32: ['x86', 'X86'],
  arm64: ['arm64', 'AARCH64'],
  arm: ['arm', 'ARM'],
  ppc64: ['ppc64le', 'PPC64LE'],
  s390x: ['s390x', 'S390X'],
  riscv64: ['riscv64', 'RISCV64'],
  mips: ['mips', 'MIPS'],
  mipsel: ['mipsle', 'MIPSEL'],
  loong64: ['loong64', 'LOONGARCH64'],
}

/** What `linux.seccomp` of a runtime spec holds. Names that a kernel does not know are left out by the runtime. */
export type LinuxSeccomp = Readonly<Record<string, unknown>>

/** Makes the filter of one container from a profile. */
export function seccompOf(profile: SeccompProfile, target: SeccompTarget): LinuxSeccomp {
  const { defaultAction, defaultErrnoRet, flags, listenerPath, listenerMetadata } = profile
  const [go, native = ''] = ARCHITECTURES[target.arch] ?? [target.arch]
  const found = profile.archMap?.find(({ architecture }) => architecture === `SCMP_ARCH_${native}`)
  const architectures =
    found === undefined ? (profile.architectures ?? []) : [found.architecture, ...found.subArchitectures]
  const rules = profile.syscalls.filter(rule => isFor(rule, { ...target, arch: go }))
  return {
    defaultAction,
    ...(defaultErrnoRet === undefined ? {} : { defaultErrnoRet }),
    ...(architectures.length === 0 ? {} : { architectures }),
    ...(flags === undefined ? {} : { flags }),
    ...(listenerPath === undefined ? {} : { listenerPath }),
    ...(listenerMetadata === undefined ? {} : { listenerMetadata }),
    syscalls: rules.map(({ names, action, errnoRet, args = [] }) => ({
      names,
      action,
      ...(errnoRet === undefined ? {} : { errnoRet }),
      ...(args.length === 0 ? {} : { args }),
    })),
  }
}

function isFor({ names, includes = {}, excludes = {} }: SeccompRule, target: SeccompTarget): boolean {
  const { arch, kernel, capabilities } = target
  if (names.length === 0) return false
  if (excludes.caps?.some(name => capabilities.includes(name))) return false
  if (excludes.arches?.includes(arch)) return false
  if (excludes.minKernel !== undefined && isAtLeast(kernel, excludes.minKernel)) return false
  if (includes.caps?.some(name => !capabilities.includes(name))) return false
  if (includes.arches !== undefined && !includes.arches.includes(arch)) return false
  return includes.minKernel === undefined || isAtLeast(kernel, includes.minKernel)
}

function isAtLeast(kernel: string, wanted: string): boolean {
  const [[major, minor], [least, leastMinor]] = [numbers(kernel), numbers(wanted)]
  return major > least || (major === least && minor >= leastMinor)
}

function numbers(version: string): readonly [major: number, minor: number] {
  const [major = 0, minor = 0] = version.split('.', 2).map(part => Number.parseInt(part, 10) || 0)
  return [major, minor]
}

/**
 * Platforms in text.
 *
 * ```
 * platform = os [ "/" architecture [ "/" variant ] ] / architecture / "local"
 * os       = name [ "(" [ version ] *( "+" feature ) ")" ]      "%XX" inside the brackets stands for a byte
 * ```
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import type { Platform } from './descriptor.js'

const OPERATING_SYSTEMS = new Set(
  'aix android darwin dragonfly freebsd hurd illumos ios js linux nacl netbsd openbsd plan9 solaris windows zos'.split(
    ' ',
  ),
)
const ARCHITECTURES = new Set(
  `386 amd64 amd64p32 arm armbe arm64 arm64be loong64 mips mipsle mips64 mips64le mips64p32 mips64p32le
  ppc ppc64 ppc64le riscv riscv64 s390 s390x sparc sparc64 wasm`.split(/\s+/),
)
/** Completes a single word where the caller gives no `local` platform. */
const LINUX: Platform = { os: 'linux', architecture: 'amd64' }
const OS_PART = /^([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.%+-]*)\))?$/
const PART = /^[A-Za-z0-9_.-]+$/

/** Other names of an architecture, and the variant they imply. */
const ALIASES: Readonly<Record<string, readonly [architecture: string, variant?: string]>> = {
  i386: ['386', ''],
  '386': ['386'],
  x86_64: ['amd64'],
  'x86-64': ['amd64'],
  aarch64: ['arm64'],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
}
/** Spellings of a variant that mean another, or none. */
const VARIANTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  amd64: { v1: '' },
  arm64: { '8': '', v8: '', '8.0': '', 'v8.0': '', '9': 'v9', '9.0': 'v9', 'v9.0': 'v9' },
  arm: { '': 'v7', '5': 'v5', '6': 'v6', '7': 'v7', '8': 'v8' },
}

/**
 * Reads a platform as users write it: `linux/arm64`, `linux/arm/v7`, `windows(10.0.17763)/amd64`; a single word, which
 * the parameter `local` completes; or the word `local`, which stands for that parameter.
 *
 * ```ts
 * parsePlatform('linux/arm/v7') // { os: 'linux', architecture: 'arm', variant: 'v7' }
 * ```
 *
 * @throws ToolError `PLATFORM_INVALID`; status 1
 */
export function parsePlatform(text: string, local?: Platform): Platform {
  if (text === 'local' && local !== undefined) return withoutDefault(normalizePlatform(local))
  const parts = text.split('/')
  const [first = '', architecture, variant] = parts
  const os = parseOS(first, text)
  if (parts.length > 3 || !parts.slice(1).every(part => PART.test(part))) throw invalid(text)
  if (architecture === undefined) return completed(os, text, local ?? LINUX)
  const normal = normalizePlatform({ ...os, architecture, ...(variant !== undefined && { variant }) })
  if (variant === undefined) return withoutDefault(normal)
  return normal.architecture === 'arm64' && normal.variant === undefined
    ? { ...normal, variant: 'v8' }
    : normal
}

/** `os/architecture[/variant]`; the inverse of {@link parsePlatform} for what it returns. */
export function formatPlatform(platform: Platform): string {
  const version = escapeWord(platform['os.version'] ?? '')
  const features = [...(platform['os.features'] ?? [])].sort().map(feature => `+${escapeWord(feature)}`)
  const detail = version + features.join('')
  const os = detail === '' ? platform.os : `${platform.os}(${detail})`
  return [os, platform.architecture, platform.variant ?? ''].filter(part => part !== '').join('/')
}

/** One spelling for each platform: `x86_64` is `amd64`, `linux/arm` is `linux/arm/v7`, `arm64/v8` is `arm64`. */
export function normalizePlatform(platform: Platform): Platform {
  const name = platform.architecture.toLowerCase()
  const [architecture, implied] = ALIASES[name] ?? [name]
  const given = implied ?? (platform.variant ?? '').toLowerCase()
  const variant = VARIANTS[architecture]?.[given] ?? given
  const { variant: _variant, ...rest } = platform
  return { ...rest, os: normalizeOS(platform.os), architecture, ...(variant !== '' && { variant }) }
}

/** The platform of a process, from Node's names for it. */
export function platformOfNode(node: { platform: string; arch: string; endianness?: 'BE' | 'LE' }): Platform {
  const little = node.endianness !== 'BE'
  const names: Readonly<Record<string, string>> = {
    x64: 'amd64',
    ia32: '386',
    mipsel: 'mipsle',
    ppc64: little ? 'ppc64le' : 'ppc64',
  }
  const os = node.platform === 'win32' ? 'windows' : node.platform
  return normalizePlatform({ os, architecture: names[node.arch] ?? node.arch })
}

function completed(os: ReturnType<typeof parseOS>, text: string, local: Platform): Platform {
  if (OPERATING_SYSTEMS.has(os.os)) {
    const { os: _os, ...machine } = withoutDefault(normalizePlatform(local))
    return { ...machine, ...os }
  }
  const platform = normalizePlatform({ os: local.os, architecture: text })
  if (!ARCHITECTURES.has(platform.architecture)) throw invalid(text)
  return withoutDefault(platform)
}

// The default variant of arm is v7, which is left out in writing.
function withoutDefault(platform: Platform): Platform {
  if (platform.architecture !== 'arm' || platform.variant !== 'v7') return platform
  const { variant: _variant, ...rest } = platform
  return rest
}

function parseOS(part: string, text: string): Omit<Platform, 'architecture' | 'variant'> {
  const match = OS_PART.exec(part)
  if (match?.[1] === undefined) throw invalid(text)
  const [version = '', ...features] = (match[2] ?? '').split('+').map(word => unescapeWord(word, text))
  return {
    os: normalizeOS(match[1]),
    ...(version !== '' && { 'os.version': version }),
    ...(features.length > 0 && { 'os.features': features }),
  }
}

function normalizeOS(os: string): string {
  const name = os.toLowerCase()
  return name === 'macos' ? 'darwin' : name
}

function escapeWord(text: string): string {
  return text.replace(/[%+()/]/g, char => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

function unescapeWord(word: string, text: string): string {
  try {
    return decodeURIComponent(word)
  } catch {
    throw invalid(text)
  }
}

function invalid(text: string): ToolError {
  const shown = JSON.stringify(text.slice(0, 200))
  return new ToolError('PLATFORM_INVALID', `invalid platform ${shown}: expected OS/ARCHITECTURE[/VARIANT]`)
}

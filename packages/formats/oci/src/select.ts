/**
 * Chooses the manifest of an index that a platform runs.
 *
 * A machine also runs what its older relatives ran. From best to worst: `amd64/vN`, lower vN, `amd64`, `386`;
 * `arm64/v9.M`, `v9.M-1` .. `v9`, `v8.M+5` .. `v8.1`, `arm64`, `arm/v8` .. `arm/v5`; `arm/vN`, lower vN down to v5.
 * Among entries that are equally good the first one wins.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import type { Descriptor, Platform } from './descriptor.js'
import type { Index } from './manifest.js'
import { formatPlatform, normalizePlatform } from './platform.js'

/** v9.M implies v8.M+5, of which nine exist. */
const ARM64_V9_OFFSET = 5
const ARM64_V8_LAST = 9
const ARM_FIRST = 5

/**
 * Chooses the entry of an index for a platform; it may be another index.
 *
 * An entry that is an attestation is never chosen. One without a platform is chosen when it is the only one.
 *
 * ```ts
 * const entry = selectPlatform(index, parsePlatform('linux/arm64'))
 * ```
 *
 * @throws ToolError `PLATFORM_NOT_FOUND`, naming the platforms that the index has
 */
export function selectPlatform(index: Index, wanted: Platform): Descriptor {
  const entries = index.manifests.filter(entry => !isAttestation(entry))
  for (const candidate of preferences(wanted)) {
    const match = entries.find(entry => entry.platform !== undefined && matches(candidate, entry.platform))
    if (match !== undefined) return match
  }
  const [only, ...others] = entries
  if (only !== undefined && others.length === 0 && only.platform === undefined) return only
  const there = entries.map(entry => (entry.platform ? formatPlatform(entry.platform) : 'unnamed'))
  throw new ToolError(
    'PLATFORM_NOT_FOUND',
    `no manifest for ${formatPlatform(wanted)}: there is ${there.slice(0, 20).join(', ') || 'none at all'}`,
  )
}

/** True for an entry that describes its neighbour (SBOM, provenance) and is no image. */
export function isAttestation(entry: Descriptor): boolean {
  if (entry.annotations?.['vnd.docker.reference.type'] === 'attestation-manifest') return true
  return entry.platform?.os === 'unknown' && entry.platform.architecture === 'unknown'
}

/** The platforms whose images a machine of this platform runs, best first, normalised. */
export function preferences(wanted: Platform): readonly Platform[] {
  const platform = normalizePlatform(wanted)
  const { variant = '', ...rest } = platform
  const list = relatives(platform.architecture, variant)
  return [
    platform,
    ...list.map(([architecture, name]) =>
      normalizePlatform({ ...rest, architecture, ...(name !== '' && { variant: name }) }),
    ),
  ]
}

/** True when `have` is the platform `wanted` itself; the older ones that such a machine runs too do not count. */
export function matches(wanted: Platform, have: Platform): boolean {
  const a = normalizePlatform(wanted)
  const b = normalizePlatform(have)
  if (a.os !== b.os || a.architecture !== b.architecture || a.variant !== b.variant) return false
  const features = a['os.features'] ?? []
  if (!(b['os.features'] ?? []).every(feature => features.includes(feature))) return false
  return a.os !== 'windows' || sameBuild(a['os.version'], b['os.version'])
}

type Relative = readonly [architecture: string, variant: string]

function relatives(architecture: string, variant: string): readonly Relative[] {
  const [major = 0, minor = 0] = variant.replace(/^v/, '').split('.').map(Number)
  if (architecture === 'amd64') return [...down(['amd64', 'v'], major - 1, 1), ['386', '']]
  if (architecture === 'arm') return down(['arm', 'v'], major - 1, ARM_FIRST)
  if (architecture !== 'arm64') return []
  const v9 = major === 9 ? [...down(['arm64', 'v9.'], minor - 1, 0)] : []
  const v8 = major === 9 ? Math.min(minor + ARM64_V9_OFFSET, ARM64_V8_LAST) : minor - 1
  return [...v9, ...down(['arm64', 'v8.'], v8, 1), ['arm64', ''], ...down(['arm', 'v'], 8, ARM_FIRST)]
}

function down([architecture, prefix]: Relative, from: number, to: number): Relative[] {
  const list: Relative[] = []
  for (let number = Math.min(from, 99); number >= to; number--)
    list.push([architecture, `${prefix}${number}`])
  return list
}

// Windows containers need the host's build: major.minor.build, whatever the revision.
function sameBuild(wanted: string | undefined, have: string | undefined): boolean {
  if (!wanted || !have) return true
  const build = (version: string): string => version.split('.', 3).join('.')
  return build(wanted) === build(have)
}

/**
 * Judges the choice of a platform: whether an image for one machine runs on another, and which of two fits better.
 *
 * @module
 */
import { digestOf } from '@pipelayer/digest'
import { type Index, MEDIA_TYPES, matches, type Platform, preferences, selectPlatform } from '@pipelayer/oci'
import { attemptRow, same, type Verdict } from './dockerfile.js'

// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
type Row = { id: string; in: any; want: any }
type Adapter = (row: Row) => Verdict

// biome-ignore lint/suspicious/noExplicitAny: see Row
export function platform(go: any): Platform {
  const { OS: os = '', Architecture: architecture = '', Variant, OSVersion, OSFeatures } = go
  return {
    os,
    architecture,
    ...(Variant && { variant: Variant }),
    ...(OSVersion && { 'os.version': OSVersion }),
    ...(OSFeatures && { 'os.features': OSFeatures }),
  }
}

const match: Adapter = row => (row.in.policy === 'regclient' ? compare(row) : satisfies(row))

/** Judges equality, whether one runs on the other, and the better of two: the one that an index of both gives. */
function compare({ in: { host, target, prev }, want }: Row): Verdict {
  const machine = platform(host)
  const [isMatch, isCompatible] = [matches(machine, platform(target)), runs(machine, platform(target))]
  const isBetter = isCompatible && chosen(machine, [...(prev === undefined ? [] : [prev]), target]) === target
  const verdict = same(
    [isMatch, isCompatible, isBetter],
    [want.expectMatch ?? false, want.expectCompat ?? false, want.expectBetter ?? false],
  )
  // On desktops Linux runs in a virtual machine, whose platform then has to be named.
  const isDesktop = ['darwin', 'windows'].includes(machine.os) && platform(target).os === 'linux'
  return verdict !== 'pass' && isDesktop ? 'policy:platform-containerd' : verdict
}

function runs(machine: Platform, have: Platform): boolean {
  return preferences(machine).some(one => matches(one, have))
}

/** The platform that is chosen from an index with one image for each. */
// biome-ignore lint/suspicious/noExplicitAny: see Row
function chosen(machine: Platform, list: readonly any[]): unknown {
  const manifests = list.map((go, size) => ({
    mediaType: MEDIA_TYPES.ociManifest,
    digest: digestOf(String(size)),
    size,
    platform: platform(go),
  }))
  const index: Index = { kind: 'index', mediaType: MEDIA_TYPES.ociIndex, manifests }
  const got = attemptRow(() => selectPlatform(index, machine).size)
  return 'value' in got ? list[got.value] : undefined
}

/** Whether an image for one platform satisfies a wanted one; each project has its own names for the two. */
function satisfies({ in: given, want }: Row): Verdict {
  const there = given.have ?? given.given ?? given.got
  const wanted = given.spec ?? given.required ?? given.want
  const expected = want.sat ?? want.want ?? want.isMatched ?? false
  const verdict = same(matches(platform(wanted), platform(there)), expected)
  return verdict !== 'pass' && isOtherRule(wanted, there) ? 'policy:platform-containerd' : verdict
}

/**
 * Whether containerd has another rule for these platforms: the reserved `features` have no meaning, versions count for
 * Windows only, the machine must offer the features that the image needs (not the other way round), names are
 * normalised, arm means arm/v7, and an empty field of the wanted platform does not match every value.
 */
// biome-ignore lint/suspicious/noExplicitAny: see Row
function isOtherRule(wanted: any, there: any): boolean {
  const names = [wanted, there].flatMap(one => [one.OS, one.Architecture, one.Variant])
  return (
    [wanted, there].some(one => (one.Features ?? one.OSFeatures ?? []).length > 0) ||
    wanted.OSVersion !== there.OSVersion ||
    wanted.Variant !== there.Variant ||
    !wanted.OS ||
    !wanted.Architecture ||
    names.some(name => name !== undefined && name !== name.toLowerCase())
  )
}

export const adapters: Record<string, Adapter> = { 'platforms/match': match }

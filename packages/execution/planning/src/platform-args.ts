import { formatPlatform, type Platform } from '@pipelayer/oci'
import type { PlanRequest } from './plan-request.js'

/**
 * The values of the platform ARGs by name: BUILDPLATFORM and TARGETPLATFORM, and BUILD and TARGET each with OS, ARCH
 * and VARIANT. Spec: Dockerfile reference, "Automatic platform ARGs in the global scope".
 */
export function platformArgs({
  machine,
  platform,
}: Pick<PlanRequest, 'machine' | 'platform'>): ReadonlyMap<string, string> {
  return new Map([...argsOf('BUILD', machine), ...argsOf('TARGET', platform)])
}

function argsOf(prefix: 'BUILD' | 'TARGET', platform: Platform): [string, string][] {
  return [
    [`${prefix}PLATFORM`, formatPlatform(platform)],
    [`${prefix}OS`, platform.os],
    [`${prefix}ARCH`, platform.architecture],
    [`${prefix}VARIANT`, platform.variant ?? ''],
  ]
}

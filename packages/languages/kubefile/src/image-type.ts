/**
 * The types of cluster images, and the names under which images say theirs.
 *
 * sealer 0.9 and later: `kube-installer` unless the build says `app-installer`, in the annotation {@link EXTENSION}.
 * sealos: the label {@link SEALOS_TYPE}; an image without it is an `application`. A `rootfs` is refused by `sealos run`
 * unless it has {@link SEALOS_VERSION}.
 *
 * Spec: sealerio/sealer v0.11.0, cmd/sealer/cmd/image/build.go, pkg/define/image/v1; labring/sealos v5,
 * pkg/apply/processor/interface.go, pkg/types/v1beta1
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import type { Dialect } from './fields.js'

/**
 * The annotation of the manifest of an image of sealer 0.9 or later. It says which applications are installed, and how.
 */
export const EXTENSION = 'sealer.image.extension'
export const SEALOS_TYPE = 'sealos.io.type'
export const SEALOS_VERSION = 'sealos.io.version'
/** The values of {@link SEALOS_VERSION} that `sealos run` takes. */
export const SEALOS_VERSIONS: readonly string[] = ['v1beta1', 'v1beta2']

export const SEALER_TYPES = ['kube-installer', 'app-installer'] as const
export const SEALOS_TYPES = ['rootfs', 'application', 'patch'] as const

const TYPES_OF: Readonly<Record<Dialect, readonly string[]>> = {
  kubefile: SEALER_TYPES,
  'kubefile-classic': [],
  sealos: SEALOS_TYPES,
}

/** The values of `--type`. */
export const IMAGE_TYPES: readonly string[] = [...SEALER_TYPES, ...SEALOS_TYPES]

/**
 * Checks that images of a dialect can have a type.
 *
 * @throws ToolError `OPTION_INVALID`, status 2: give a type that the message names, or none
 */
export function checkImageType(type: string | undefined, dialect: Dialect | 'dockerfile'): void {
  if (type === undefined) return
  const types = dialect === 'dockerfile' ? [] : TYPES_OF[dialect]
  if (types.includes(type)) return
  const why = types.length === 0 ? 'which says none' : `whose types are ${types.join(', ')}`
  const message = `--type ${type} is no type of an image from a file of the dialect ${dialect}, ${why}`
  throw new ToolError('OPTION_INVALID', message, { status: 2 })
}

/**
 * The Kubefile of sealos: a Dockerfile, all of it. `sealos run` executes each text of CMD by itself in the folder of
 * the image, and expands `$(NAME)` and `$NAME` in it then, so that nothing is expanded here.
 *
 * Spec: labring/sealos v4.3, pkg/buildah/build.go, pkg/apply/processor/interface.go
 *
 * @module
 */

import { fileFields, interpretAll, parseDockerfile } from '@pipelayer/dockerfile'
import type { KubefileFields } from './fields.js'

/** @throws ToolError `DOCKERFILE_INVALID` as `FILE:LINE:COLUMN: ...` */
export function parseSealos(source: string | Uint8Array, file: string): readonly KubefileFields[] {
  const list = fileFields(parseDockerfile(source, { file }), file)
  interpretAll(list)
  return list.map(fields => ({ ...fields, dialect: 'sealos' }))
}

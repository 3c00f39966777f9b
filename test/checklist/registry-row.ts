/**
 * A line of the checklist of wrong registries.
 *
 * @module
 */
import type { Answer, ImageChange } from '../bad-registry.js'

export interface RegistryRow {
  readonly why: string
  /** The fault in the image itself. */
  readonly image?: ImageChange
  /** The fault of the registry; `other` is `HOST:PORT` of another server, which asks everybody for a password. */
  readonly answer?: (other: string) => Answer
  /** The command to run in place of `img-pull docker://HOST/a/b:1`; an image to push is in `oci:good:1`. */
  readonly command?: (host: string) => string
  /** The code of the refusal; without it the command succeeds. */
  readonly code?: string
  /** The store has the image already, and the registry's later answer is refused. */
  readonly isStored?: true
  /** 1 unless said. */
  readonly status?: number
  /** The paths that the other server is asked for; none unless said. It never gets credentials of another server. */
  readonly asksOther?: readonly string[]
  /** A pattern for stderr. */
  readonly says?: RegExp
}

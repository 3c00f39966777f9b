/**
 * A line of the checklist of what registries do wrong.
 *
 * @module
 */
import type { Answer, ImageChange } from '../bad-registry.js'

export interface RegistryRow {
  readonly why: string
  /** What is wrong with the image itself. */
  readonly image?: ImageChange
  /** What is wrong with the registry; `other` is `HOST:PORT` of another server, which asks everybody for a password. */
  readonly answer?: (other: string) => Answer
  /** What runs in place of `img-pull docker://HOST/a/b:1`; an image to push lies in `oci:good:1`. */
  readonly command?: (host: string) => string
  /** What it is refused with; without it all goes well. */
  readonly code?: string
  /** The image is in the store already, and what comes after it is refused. */
  readonly isStored?: true
  /** 1 unless said. */
  readonly status?: number
  /** Paths that the other server is asked for; none unless said. It never gets credentials that are not its own. */
  readonly asksOther?: readonly string[]
  /** What stderr says of it. */
  readonly says?: RegExp
}

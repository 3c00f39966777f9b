/**
 * Turns a failure into the answer to a client: a status, a code of the specification, a message.
 *
 * One table maps our codes to those of the specification. A code that is not in the table is a failure of this server;
 * its message may name files, so it goes to the log and not to the client.
 *
 * @module
 */
import { messageOf, ToolError } from '@pipelayer/errors'

export interface ErrorAnswer {
  readonly status: number
  /** A code of distribution-spec. */
  readonly code: string
  readonly message: string
}

/** Spec: distribution-spec v1.1, "Error Codes". The last ones are distribution's, or ours for plain HTTP failures. */
const ANSWERS: ReadonlyMap<string, readonly [status: number, code: string]> = new Map([
  ['BLOB_UNKNOWN', [404, 'BLOB_UNKNOWN']],
  ['BLOB_UPLOAD_INVALID', [400, 'BLOB_UPLOAD_INVALID']],
  ['BLOB_UPLOAD_UNKNOWN', [404, 'BLOB_UPLOAD_UNKNOWN']],
  ['BLOB_TOO_LARGE', [413, 'SIZE_INVALID']],
  ['DENIED', [403, 'DENIED']],
  ['DIGEST_INVALID', [400, 'DIGEST_INVALID']],
  ['DIGEST_MISMATCH', [400, 'DIGEST_INVALID']],
  ['DIGEST_UNSUPPORTED', [400, 'DIGEST_INVALID']],
  ['DOCUMENT_TOO_LARGE', [413, 'SIZE_INVALID']],
  ['ENDPOINT_UNKNOWN', [404, 'UNSUPPORTED']],
  ['MANIFEST_BLOB_UNKNOWN', [404, 'MANIFEST_BLOB_UNKNOWN']],
  ['MANIFEST_INVALID', [400, 'MANIFEST_INVALID']],
  ['MANIFEST_SCHEMA1', [400, 'MANIFEST_INVALID']],
  ['MANIFEST_UNKNOWN', [404, 'MANIFEST_UNKNOWN']],
  ['MEDIA_TYPE_MISMATCH', [400, 'MANIFEST_INVALID']],
  ['MEDIA_TYPE_UNSUPPORTED', [400, 'MANIFEST_INVALID']],
  ['NAME_INVALID', [400, 'NAME_INVALID']],
  ['NAME_UNKNOWN', [404, 'NAME_UNKNOWN']],
  ['SIZE_INVALID', [400, 'SIZE_INVALID']],
  ['TAG_INVALID', [400, 'TAG_INVALID']],
  ['UNAUTHORIZED', [401, 'UNAUTHORIZED']],
  ['UNSUPPORTED', [405, 'UNSUPPORTED']],
  ['REFERENCE_AMBIGUOUS', [404, 'MANIFEST_UNKNOWN']],
  ['PAGINATION_NUMBER_INVALID', [400, 'PAGINATION_NUMBER_INVALID']],
  ['RANGE_INVALID', [416, 'RANGE_INVALID']],
  ['TOOMANYREQUESTS', [429, 'TOOMANYREQUESTS']],
  ['URI_INVALID', [400, 'UNSUPPORTED']],
  ['URI_TOO_LONG', [414, 'UNSUPPORTED']],
])
const FULL = new Set(['ENOSPC', 'EDQUOT'])
const MAX_MESSAGE = 1000

/** The answer to a failure. `isOurs` is true for a failure of the server, about which the client can do nothing. */
export function answerTo(error: unknown): ErrorAnswer & { readonly isOurs: boolean } {
  const known = error instanceof ToolError ? ANSWERS.get(error.code) : undefined
  if (known !== undefined) {
    const [status, code] = known
    return { status, code, message: messageOf(error).slice(0, MAX_MESSAGE), isOurs: false }
  }
  if (error instanceof ToolError && FULL.has(error.code))
    return { status: 507, code: 'UNAVAILABLE', message: 'no space left for it', isOurs: true }
  return { status: 500, code: 'UNKNOWN', message: 'the registry failed; its log says why', isOurs: true }
}

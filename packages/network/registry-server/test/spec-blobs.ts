/**
 * Calls of the endpoints for blobs, one after another.
 *
 * @module
 */
import { CONFIG, digestOf, LAYER } from './client.js'

/** One call, and the answer that the specification demands. */
export interface Call {
  readonly end: string
  readonly does: string
  readonly method: string
  /** `LOCATION` stands for the Location of the last answer. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly status: number
  /**
   * Headers of the answer: a text is the value, a pattern must match, and undefined means that the header must be
   * missing.
   */
  readonly gives?: Readonly<Record<string, string | RegExp | undefined>>
  readonly code?: string
  readonly json?: object
}

export const NONE = `sha256:${'0'.repeat(64)}`
const [FIRST, SECOND] = [LAYER.slice(0, 10), LAYER.slice(10)]
const LAST = LAYER.length - 1
const stream = { 'content-type': 'application/octet-stream' }
export const blob = `/v2/a/b/blobs/${digestOf(LAYER)}`
const uploads = '/v2/a/b/blobs/uploads/'
const at = (reference: string): string => `/v2/a/b/manifests/${reference}`
const session = /^\/v2\/a\/b\/blobs\/uploads\/[\w=-]+$/

/** Calls that get blobs, and that push them in each way. */
export const BLOB_CALLS: readonly Call[] = [
  { end: 'end-1', does: 'the base', method: 'GET', url: '/v2/', status: 200 },
  {
    end: 'end-2',
    does: 'a blob that is not there',
    method: 'GET',
    url: blob,
    status: 404,
    code: 'BLOB_UNKNOWN',
  },
  { end: 'end-2', does: 'nor by HEAD', method: 'HEAD', url: blob, status: 404 },
  {
    end: 'end-3',
    does: 'a manifest that is not there',
    method: 'GET',
    url: at('1'),
    status: 404,
    code: 'MANIFEST_UNKNOWN',
  },
  { end: 'end-3', does: 'nor by HEAD', method: 'HEAD', url: at(NONE), status: 404 },

  {
    end: 'end-4a',
    does: 'a session',
    method: 'POST',
    url: uploads,
    status: 202,
    gives: { location: session },
  },
  {
    end: 'end-6',
    does: 'the whole blob',
    method: 'PUT',
    url: `LOCATION?digest=${digestOf(CONFIG)}`,
    headers: stream,
    body: CONFIG,
    status: 201,
    gives: { location: `/v2/a/b/blobs/${digestOf(CONFIG)}` },
  },
  {
    end: 'end-4b',
    does: 'a blob in one request',
    method: 'POST',
    url: `${uploads}?digest=${digestOf('{}')}`,
    headers: stream,
    body: '{}',
    status: 201,
    gives: { location: `/v2/a/b/blobs/${digestOf('{}')}` },
  },
  {
    end: 'end-4b',
    does: 'other bytes than it says',
    method: 'POST',
    url: `${uploads}?digest=${NONE}`,
    headers: stream,
    body: '{}',
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    end: 'end-4a',
    does: 'a session for chunks',
    method: 'POST',
    url: uploads,
    headers: { 'content-length': '0' },
    status: 202,
    gives: { location: session, 'oci-chunk-min-length': undefined },
  },
  {
    end: 'end-5',
    does: 'a chunk out of order',
    method: 'PATCH',
    url: 'LOCATION',
    headers: { ...stream, 'content-range': `10-${LAST}` },
    body: SECOND,
    status: 416,
    gives: { location: session },
  },
  {
    end: 'end-5',
    does: 'the first chunk',
    method: 'PATCH',
    url: 'LOCATION',
    headers: { ...stream, 'content-range': '0-9' },
    body: FIRST,
    status: 202,
    gives: { location: session, range: '0-9' },
  },
  {
    end: 'end-5',
    does: 'the first chunk once more',
    method: 'PATCH',
    url: 'LOCATION',
    headers: { ...stream, 'content-range': '0-9' },
    body: FIRST,
    status: 416,
    gives: { location: session, range: '0-9' },
  },
  {
    end: 'end-13',
    does: 'how far it is',
    method: 'GET',
    url: 'LOCATION',
    status: 204,
    gives: { location: session, range: '0-9' },
  },
  {
    end: 'end-5',
    does: 'the second chunk',
    method: 'PATCH',
    url: 'LOCATION',
    headers: { ...stream, 'content-range': `10-${LAST}` },
    body: SECOND,
    status: 202,
    gives: { location: session, range: `0-${LAST}` },
  },
  {
    end: 'end-6',
    does: 'the end',
    method: 'PUT',
    url: `LOCATION?digest=${digestOf(LAYER)}`,
    status: 201,
    gives: { location: blob },
  },
  {
    end: 'end-13',
    does: 'a session that has ended',
    method: 'GET',
    url: `${uploads}0123`,
    status: 404,
    code: 'BLOB_UPLOAD_UNKNOWN',
  },
  { end: 'end-4a', does: 'a session whose end is wrong', method: 'POST', url: uploads, status: 202 },
  {
    end: 'end-6',
    does: 'no digest',
    method: 'PUT',
    url: 'LOCATION',
    body: 'x',
    status: 400,
    code: 'DIGEST_INVALID',
  },
  {
    end: 'end-2',
    does: 'the blob',
    method: 'GET',
    url: blob,
    status: 200,
    gives: { 'content-length': String(LAYER.length), 'docker-content-digest': digestOf(LAYER) },
  },
  {
    end: 'end-2',
    does: 'its head',
    method: 'HEAD',
    url: blob,
    status: 200,
    gives: { 'content-length': String(LAYER.length), 'docker-content-digest': digestOf(LAYER) },
  },
  {
    end: 'end-2',
    does: 'a part of it',
    method: 'GET',
    url: blob,
    headers: { range: 'bytes=10-19' },
    status: 206,
    gives: { 'content-range': `bytes 10-19/${LAYER.length}`, 'content-length': '10' },
  },
  {
    end: 'end-2',
    does: 'a part behind its end',
    method: 'GET',
    url: blob,
    headers: { range: 'bytes=1000-' },
    status: 416,
    gives: { 'content-range': `bytes */${LAYER.length}` },
  },
  {
    end: 'end-11',
    does: 'a mount',
    method: 'POST',
    url: `/v2/c/d/blobs/uploads/?mount=${digestOf(LAYER)}&from=a/b`,
    status: 201,
    gives: { location: `/v2/c/d/blobs/${digestOf(LAYER)}` },
  },
  {
    end: 'end-2',
    does: 'the blob that was mounted',
    method: 'HEAD',
    url: `/v2/c/d/blobs/${digestOf(LAYER)}`,
    status: 200,
  },
  {
    end: 'end-11',
    does: 'a mount of nothing is a session',
    method: 'POST',
    url: `/v2/c/d/blobs/uploads/?mount=${NONE}&from=a/b`,
    status: 202,
    gives: { location: /uploads/ },
  },
]

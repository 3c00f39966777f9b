/**
 * A client of the distribution protocol: OCI distribution-spec v1.1 and Docker Registry HTTP API v2.
 *
 * @module
 */
export type { Challenge } from './challenge.js'
export { parseChallenges } from './challenge.js'
export { Repository } from './client.js'
export type { CredentialSource, Credentials } from './credentials.js'
export { credentialFiles, credentialPaths, lookUp, parseEntry } from './credentials.js'
export { checkTarget, endpointOf, isLoopback } from './endpoint.js'
export type { FetchedManifest } from './manifests.js'
export { simpleType } from './manifests.js'
export type { ContentRange } from './range.js'
export { contentLength, parseContentRange } from './range.js'
export type { OnRetry, RetryOptions } from './retry.js'
export { cleanActions, mergeScopes, repositoryScope } from './scopes.js'
export type { SessionOptions } from './session.js'
export type { Timeouts } from './transport.js'
export type { OpenBlob } from './upload.js'

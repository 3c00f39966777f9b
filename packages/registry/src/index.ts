/**
 * A client of the distribution protocol: OCI distribution-spec v1.1 and Docker Registry HTTP API v2.
 *
 * @module
 */
export { Budget } from './budget.js'
export { certificateDirs, certificatesFor, readText } from './certificates.js'
export type { Challenge } from './challenge.js'
export { parseChallenges } from './challenge.js'
export type { UploadMemory } from './chunked-upload.js'
export { Repository } from './client.js'
export { eraseCredentials, storeCredentials } from './credential-store.js'
export type { CredentialSource, Credentials } from './credentials.js'
export { credentialFiles, credentialPaths, lookUp, parseEntry } from './credentials.js'
export type { TlsSettings } from './dispatchers.js'
export { checkTarget, endpointOf, isLoopback } from './endpoint.js'
export { findLink, parseLinks, parseWarning } from './link.js'
export type { FetchedManifest } from './manifests.js'
export { simpleType } from './manifests.js'
export type { ContentRange } from './range.js'
export { contentLength, parseContentRange } from './range.js'
export { referrersTag } from './referrers.js'
export { Registry } from './registry.js'
export { refusal } from './response-error.js'
export type { OnRetry, RetryOptions } from './retry.js'
export { cleanActions, mergeScopes, repositoryScope } from './scopes.js'
export type { SessionOptions } from './session.js'
export type { Timeouts } from './transport.js'
export type { OpenBlob } from './upload.js'

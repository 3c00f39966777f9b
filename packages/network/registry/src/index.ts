/**
 * A client of the distribution protocol: OCI distribution-spec v1.1 and Docker Registry HTTP API v2.
 *
 * @module
 */
export { Budget } from './budget.js'
export { certificateDirs, certificatesFor, readText } from './certificates.js'
export { parseChallenges } from './challenge.js'
export type { UploadMemory } from './chunked-upload.js'
export { Connections } from './connections.js'
export { eraseCredentials, storeCredentials } from './credential-store.js'
export type { CredentialPlaces, CredentialSource, Credentials } from './credentials.js'
export { credentialFiles, credentialPaths, lookUp, parseEntry } from './credentials.js'
export type { TlsSettings } from './dispatchers.js'
export { type Download, download } from './download.js'
export { checkTarget, endpointOf, isLoopback } from './endpoint.js'
export { findLink, parseWarning } from './link.js'
export { simpleType } from './manifests.js'
export { contentLength, parseContentRange } from './range.js'
export { Registry } from './registry.js'
export { Repository } from './repository.js'
export { refusal } from './response-error.js'
export type { RetryOptions } from './retry.js'
export { DEFAULT_RETRY } from './retry.js'
export { cleanActions, mergeScopes, repositoryScope } from './scopes.js'
export { type FoundRepository, searchDomain } from './search.js'
export type { SessionOptions } from './session.js'
export type { Timeouts } from './transport.js'

/**
 * Versions of the compressors inside Node.
 *
 * @module
 */

/** The bundled zlib and, from Node 22.15 on, zstd. */
export function bundledVersions(): { readonly zlib: string; readonly zstd?: string | undefined } {
  return { zlib: process.versions.zlib ?? 'unknown', zstd: process.versions.zstd }
}

/** The folder of blobs on a host, each under the digits of its sha256. */
export const BLOBS = '/var/lib/pipelayer/blobs'

/** The folder of a cluster on its hosts. */
function homeOf(cluster: string): string {
  return `/var/lib/pipelayer/clusters/${cluster}`
}

/** What was done on a host: a line `ID SHA256` for each operation. */
export function journalOf(cluster: string): string {
  return `${homeOf(cluster)}.journal`
}

/** Where operations that run for long keep their output and their status. */
export function jobsOf(cluster: string): string {
  return `${homeOf(cluster)}.jobs`
}

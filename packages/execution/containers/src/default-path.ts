/** PATH of a container whose image does not set it, as Docker and BuildKit have it. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

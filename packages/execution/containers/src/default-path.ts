/** PATH of a container whose image does not set it; Docker and BuildKit use the same value. */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

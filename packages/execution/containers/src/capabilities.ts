/** Names of the capabilities; the position is the number. Spec: linux/capability.h. */
const NAMES = [
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE',
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN',
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE',
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE',
]
  .join(' ')
  .split(' ')

/** The full names of all capabilities that we know. */
export const ALL_CAPABILITIES: readonly string[] = NAMES.map(name => `CAP_${name}`)

/**
 * The capabilities that a process has, and so can pass on. Inside another container these are not all.
 *
 * @param status - of /proc/PID/status
 */
export function heldCapabilities(status: string): string[] {
  return setIn(status, 'CapPrm')
}

/** The capabilities that a process, or a program that it starts, could get at most; as {@link heldCapabilities}. */
export function boundingCapabilities(status: string): string[] {
  return setIn(status, 'CapBnd')
}

function setIn(status: string, field: string): string[] {
  const held = BigInt(`0x${new RegExp(`^${field}:\\s*([0-9a-f]{1,16})$`, 'm').exec(status)?.[1] ?? '0'}`)
  return ALL_CAPABILITIES.filter((_, bit) => ((held >> BigInt(bit)) & 1n) === 1n)
}

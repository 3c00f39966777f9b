/** Names of the capabilities; the position is the number. Spec: linux/capability.h. */
const NAMES = [
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE',
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN',
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE',
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE',
]
  .join(' ')
  .split(' ')

/**
 * The capabilities that a process has, and so can pass on. Inside another container these are not all.
 *
 * @param status - of /proc/PID/status
 */
export function heldCapabilities(status: string): string[] {
  const held = BigInt(`0x${/^CapPrm:\s*([0-9a-f]{1,16})$/m.exec(status)?.[1] ?? '0'}`)
  return NAMES.filter((_, bit) => ((held >> BigInt(bit)) & 1n) === 1n).map(name => `CAP_${name}`)
}

/**
 * The system calls that a container may make where the machine has no profile of its own. The names are those that
 * podman's profile allows; calls which make mounts and namespaces need CAP_SYS_ADMIN as with Docker.
 *
 * @module
 */

import type { SeccompProfile, SeccompRule } from './seccomp-profile.js'

const EPERM = 1
const EINVAL = 22
const ENOSYS = 38

/** They are allowed to every container. */
const ALWAYS = words(`
  _llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown
  chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
  clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
  epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
  eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate
  fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr
  flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate
  ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list
  get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32
  getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
  getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday
  getuid getuid32 getxattr inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel
  io_destroy io_getevents io_setup io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule
  landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listxattr
  llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create
  memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect mq_getsetattr
  mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap
  mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat
  open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll
  ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64 ptrace
  pwrite64 pwritev pwritev2 read readahead readdir readlink readlinkat readv recv recvfrom recvmmsg
  recvmmsg_time64 recvmsg remap_file_pages removexattr rename renameat renameat2 restart_syscall rmdir rseq
  rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
  rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
  sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
  sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget
  semop semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list
  set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups
  setgroups32 setitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32
  setreuid setreuid32 setrlimit setsid setsockopt setuid setuid32 setxattr shmat shmctl shmdt shmget
  shutdown sigaction sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigreturn sigsuspend
  socketcall socketpair splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range
  syncfs syscall sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
  timer_gettime64 timer_settime timer_settime64 timerfd timerfd_create timerfd_gettime timerfd_gettime64
  timerfd_settime timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat
  utime utimensat utimensat_time64 utimes vfork wait4 waitid waitpid write writev
`)

/** They answer EPERM. Calls that no list has answer ENOSYS, so that programs take an older call in place of a new one. */
const NEVER = words(`
  add_key bdflush io_pgetevents kexec_file_load kexec_load keyctl migrate_pages move_pages nfsservctl nice
  oldfstat oldlstat oldolduname oldstat olduname pciconfig_iobase pciconfig_read pciconfig_write request_key
  sgetmask ssetmask swapcontext swapoff swapon sysfs uselib userfaultfd ustat vm86 vm86old vmsplice
`)

/** Calls that any one of these capabilities allows; without them they answer EPERM. */
const BY_CAPABILITY: readonly (readonly [capabilities: string, calls: string])[] = [
  ['CAP_DAC_READ_SEARCH', 'open_by_handle_at'],
  ['CAP_SYS_ADMIN', 'fanotify_init lookup_dcookie quotactl setdomainname sethostname setns unshare'],
  ['CAP_SYS_ADMIN', 'mount umount umount2 pivot_root'],
  ['CAP_SYS_ADMIN', 'fsconfig fsmount fsopen fspick mount_setattr move_mount open_tree'],
  ['CAP_SYS_ADMIN CAP_BPF', 'bpf'],
  ['CAP_SYS_ADMIN CAP_PERFMON', 'perf_event_open'],
  ['CAP_SYS_BOOT', 'reboot'],
  ['CAP_SYS_CHROOT', 'chroot'],
  ['CAP_SYS_MODULE', 'delete_module finit_module init_module query_module'],
  ['CAP_SYS_NICE', 'get_mempolicy mbind set_mempolicy'],
  ['CAP_SYS_PACCT', 'acct'],
  ['CAP_SYS_PTRACE', 'kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev'],
  ['CAP_SYS_RAWIO', 'ioperm iopl'],
  ['CAP_SYS_TIME', 'clock_settime clock_settime64 settimeofday stime'],
  ['CAP_SYS_TTY_CONFIG', 'vhangup'],
  ['CAP_SYSLOG', 'syslog'],
]

const BY_ARCHITECTURE: readonly (readonly [architectures: string, calls: string])[] = [
  ['ppc64le', 'sync_file_range2'],
  ['arm arm64', 'arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2'],
  ['amd64 x32', 'arch_prctl'],
  ['amd64 x32 x86', 'modify_ldt'],
  ['s390 s390x', 's390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr'],
]

/** The first argument of personality(2): Linux with 64 or 32 bits, with or without UNAME26, and a mere question. */
const PERSONALITIES = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff]

/** The flags of clone(2) that make a namespace. */
const NEW_NAMESPACES = 0x7e02_0000
/** The flags of clone(2) are its first argument, and on s390 its second one. */
const CLONE_FLAGS: readonly (readonly [index: number, where: 'includes' | 'excludes'])[] = [
  [0, 'excludes'],
  [1, 'includes'],
]
const S390 = ['s390', 's390x']

/** socket(2) of this family and protocol writes to the audit log of the host. */
const AF_NETLINK = 16
const NETLINK_AUDIT = 9

export const OWN_PROFILE: SeccompProfile = {
  defaultAction: 'SCMP_ACT_ERRNO',
  defaultErrnoRet: ENOSYS,
  archMap: [
    arch('X86_64', 'X86 X32'),
    arch('AARCH64', 'ARM'),
    arch('MIPS64', 'MIPS MIPS64N32'),
    arch('MIPS64N32', 'MIPS MIPS64'),
    arch('MIPSEL64', 'MIPSEL MIPSEL64N32'),
    arch('MIPSEL64N32', 'MIPSEL MIPSEL64'),
    arch('S390X', 'S390'),
  ],
  syscalls: [
    refuse(NEVER, EPERM),
    allow(ALWAYS),
    ...PERSONALITIES.map(value => allow(['personality'], { args: [{ index: 0, value, op: 'SCMP_CMP_EQ' }] })),
    ...BY_ARCHITECTURE.map(([arches, calls]) => allow(words(calls), { includes: { arches: words(arches) } })),
    ...BY_CAPABILITY.flatMap(([capabilities, calls]) => [
      ...words(capabilities).map(name => allow(words(calls), { includes: { caps: [name] } })),
      refuse(words(calls), EPERM, { excludes: { caps: words(capabilities) } }),
    ]),
    ...cloneRules(),
    ...socketRules(),
  ],
}

// The flags of clone3 lie in memory, which a filter cannot read. Where it answers ENOSYS, the C library takes clone.
function cloneRules(): SeccompRule[] {
  const noNamespace = { value: NEW_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }
  return [
    allow(['clone', 'clone3'], { includes: { caps: ['CAP_SYS_ADMIN'] } }),
    refuse(['clone3'], ENOSYS, { excludes: { caps: ['CAP_SYS_ADMIN'] } }),
    ...CLONE_FLAGS.map(([index, where]) => {
      const rule = allow(['clone'], {
        args: [{ index, ...noNamespace }],
        excludes: { caps: ['CAP_SYS_ADMIN'] },
      })
      return { ...rule, [where]: { ...rule[where], arches: S390 } }
    }),
  ]
}

function socketRules(): SeccompRule[] {
  const excludes = { caps: ['CAP_AUDIT_WRITE'] }
  const family = { index: 0, value: AF_NETLINK }
  const protocol = { index: 2, value: NETLINK_AUDIT }
  const both = [family, protocol].map(each => ({ ...each, op: 'SCMP_CMP_EQ' }))
  return [
    allow(['socket'], { includes: excludes }),
    refuse(['socket'], EINVAL, { args: both, excludes }),
    ...[family, protocol].map(each =>
      allow(['socket'], { args: [{ ...each, op: 'SCMP_CMP_NE' }], excludes }),
    ),
  ]
}

function allow(names: readonly string[], more: Partial<SeccompRule> = {}): SeccompRule {
  return { names, action: 'SCMP_ACT_ALLOW', ...more }
}

function refuse(names: readonly string[], errnoRet: number, more: Partial<SeccompRule> = {}): SeccompRule {
  return { names, action: 'SCMP_ACT_ERRNO', errnoRet, ...more }
}

function arch(name: string, others: string): { architecture: string; subArchitectures: string[] } {
  const full = (each: string): string => `SCMP_ARCH_${each}`
  return { architecture: full(name), subArchitectures: words(others).map(full) }
}

function words(text: string): string[] {
  return text.trim().split(/\s+/)
}

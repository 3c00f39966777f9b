/**
 * Dockerfiles and contexts that try to reach the host, and secrets that must never get into an image.
 *
 * @module
 */

export interface BuildRow {
  readonly why: string
  /** Instructions after `FROM scratch` and a busybox with its applets as /bin/sh. */
  readonly steps: string
  /** Files of the context; `->TARGET` is a symlink. `CANARY` stands for the folder outside of the build. */
  readonly files?: Readonly<Record<string, string>>
  /** Options of kf-run. */
  readonly options?: string
  readonly env?: Readonly<Record<string, string>>
  /** The code of the refusal; without it the build succeeds. */
  readonly code?: string
  /** A text that must be nowhere: in no record, blob, file of a layer, or line of the log. */
  readonly secret?: string
}

/** Leads up to the root from any folder of the store, from where the path of the canary begins. */
const OUT = '../../../../../../../../../../../../../..'

export const BUILDS: readonly BuildRow[] = [
  {
    why: 'a symlink of the context, absolute (CVE-2026-44517)',
    steps: 'COPY out/file /x',
    files: { out: '->CANARY' },
    code: 'NOT_FOUND',
  },
  {
    why: 'a symlink of the context, up and away (GHSA-49p4-px3h-rq49)',
    steps: 'COPY out/file /x',
    files: { out: `->${OUT}CANARY` },
    code: 'NOT_FOUND',
  },
  { why: 'a source that climbs', steps: `COPY ${OUT}CANARY/file /x`, code: 'NOT_FOUND' },
  {
    why: "a symlink in a directory that is copied stays a symlink (ko's kodata)",
    steps: 'COPY dir /dir\nRUN [ -L /dir/out ]',
    files: { 'dir/out': '->CANARY/file' },
  },
  {
    why: '.dockerignore that is a symlink to the outside',
    steps: 'COPY kept /kept',
    files: { kept: 'kept', '.dockerignore': '->CANARY/file' },
  },
  {
    why: 'a destination that climbs',
    steps: `COPY kept ${OUT}CANARY/new`,
    files: { kept: 'bad' },
  },
  {
    why: "a destination through the image's own symlink",
    steps: 'RUN ln -s CANARY /out\nCOPY kept /out/file\nADD kept /out/new',
    files: { kept: 'bad' },
  },
  {
    why: 'COPY --from through a symlink of that stage',
    steps: 'RUN ln -s CANARY /out\nFROM scratch\nCOPY --from=0 /out/file /x',
    code: 'NOT_FOUND',
  },
  {
    why: 'WORKDIR through a symlink',
    steps: 'RUN ln -s CANARY /out\nWORKDIR /out/made',
  },
  {
    why: 'WORKDIR in /proc (CVE-2024-21626)',
    steps: 'WORKDIR /proc/self/fd/8\nRUN true',
    code: 'WORKDIR_INVALID',
  },
  {
    why: 'a mount from a symlink of the context (CVE-2024-1753, CVE-2024-11218)',
    steps: 'RUN --mount=type=bind,source=out,target=/m,rw echo bad > /m/file',
    files: { out: '->CANARY' },
    code: 'NOT_FOUND',
  },
  {
    why: 'a mount from a source that climbs',
    steps: `RUN --mount=type=bind,source=${OUT}CANARY,target=/m,rw echo bad > /m/file`,
    code: 'NOT_FOUND',
  },
  {
    why: 'a mount from a symlink of another stage (CVE-2026-23651)',
    steps:
      'RUN ln -s CANARY /out\nFROM scratch\nCOPY sh /bin/sh\nRUN --mount=from=0,source=/out,target=/m,rw echo bad > /m/file',
    code: 'NOT_FOUND',
  },
  {
    why: "a target through the image's symlink: its stub is made and removed inside (CVE-2026-23652)",
    steps:
      'RUN ln -s CANARY /out\nRUN --mount=type=tmpfs,target=/out/file true\nRUN --mount=type=tmpfs,target=/out/dir/new true',
  },
  {
    why: 'a target that climbs (CVE-2024-9407)',
    steps: `RUN --mount=type=tmpfs,target=${OUT}CANARY echo bad > /file`,
  },
  {
    why: 'the id of a cache is no path (CVE-2024-9675)',
    steps: `RUN --mount=type=cache,id=${OUT}CANARY,target=/c echo bad > /c/file`,
  },
  {
    why: 'a cache of what a stage left: a symlink in it stays inside',
    steps:
      'RUN --mount=type=cache,target=/c ln -s CANARY /c/out\nRUN --mount=type=cache,target=/c/out echo bad > /c/out/file',
  },
  {
    why: 'a file removed by a name that climbs (buildkit@4ed7a2ff3)',
    steps: `RUN rm -f ${OUT}CANARY/file`,
  },
  {
    why: "the builder's environment is not the step's (CVE-2021-3602)",
    steps: 'RUN env > /env; cat /proc/1/environ >> /env 2>&1; true',
    options: '--runtime chroot',
    env: { BUILDER_TOKEN: 't0p-hidden' },
    secret: 't0p-hidden',
  },
  {
    why: 'nor with a runtime',
    steps: 'RUN env > /env',
    env: { BUILDER_TOKEN: 't0p-hidden' },
    secret: 't0p-hidden',
  },
  {
    why: 'a secret leaves with its step',
    steps: 'RUN --mount=type=secret,id=s --mount=type=secret,id=e,env=E [ "$(cat /run/secrets/s)" = "$E" ]',
    options: '--secret id=s,env=HIDDEN --secret id=e,env=HIDDEN',
    env: { HIDDEN: 't0p-hidden' },
    secret: 't0p-hidden',
  },
  {
    why: 'a secret that a step fails with',
    steps: 'RUN --mount=type=secret,id=s false',
    options: '--secret id=s,env=HIDDEN',
    env: { HIDDEN: 't0p-hidden' },
    code: 'RUN_FAILED',
    secret: 't0p-hidden',
  },
  {
    why: '/etc/passwd that is a symlink to the outside names nobody',
    steps: 'RUN ln -s CANARY/passwd /etc/passwd\nUSER canary\nRUN true',
    code: 'USER_UNKNOWN',
  },
  {
    why: 'a huge /etc/passwd',
    steps: 'RUN dd if=/dev/zero of=/etc/passwd bs=1M count=8 2> /dev/null\nUSER x\nRUN true',
    code: 'FILE_TOO_LARGE',
  },
  { why: 'a process that is left behind ends with its step', steps: 'RUN sleep 1000 & true' },
  { why: 'NUL in an instruction', steps: 'RUN echo a\0b', code: 'DOCKERFILE_INVALID' },
  { why: 'lines that end in CRLF', steps: '\r\nRUN true\r' },
]

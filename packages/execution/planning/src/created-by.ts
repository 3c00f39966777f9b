import type { HealthcheckInstruction, Pair } from '@pipelayer/dockerfile'
import { duration, plainList, quoteList, quoteRune } from './go-format.js'

/**
 * Makes the `created_by` of history entries, letter by letter as BuildKit writes them. Steps that changed the file
 * system end in ` # buildkit`, except WORKDIR. Spec: BuildKit, frontend/dockerfile/dockerfile2llb/convert.go.
 */
export const createdBy = {
  /** `declared` has the ARGs of the stage: `|2 A=1 B=2 /bin/sh -c make`. */
  run(argv: readonly string[], declared: readonly string[]): string {
    const args = declared.length === 0 ? [] : [`|${declared.length}`, ...declared]
    return `RUN ${[...args, ...argv].join(' ')} # buildkit`
  },
  /** Flags of COPY and ADD other than these three do not appear in it. */
  transfer(step: TransferText): string {
    const words = [
      step.name,
      ...(step.parents ? ['--parents'] : []),
      ...(step.chown === undefined ? [] : [`--chown=${step.chown}`]),
      ...(step.chmod === undefined ? [] : [`--chmod=${step.chmod}`]),
      ...step.sources,
      ...step.inline.map(name => `<<${name}`),
      step.dest,
    ]
    return `${words.join(' ')} # buildkit`
  },
  workdir: (path: string): string => `WORKDIR ${path}`,
  env: (pairs: readonly Pair[]): string => `ENV ${pairs.map(p => `${p.name}=${p.value}`).join(' ')}`,
  label: (pairs: readonly Pair[]): string => `LABEL ${pairs.map(p => `${p.name}=${p.value}`).join(' ')}`,
  arg: (args: readonly { readonly name: string; readonly value?: string | undefined }[]): string =>
    `ARG ${args.map(a => (a.value === undefined ? a.name : `${a.name}=${a.value}`)).join(' ')}`,
  cmd: (argv: readonly string[]): string => `CMD ${quoteList(argv)}`,
  entrypoint: (argv: readonly string[]): string => `ENTRYPOINT ${quoteList(argv)}`,
  expose: (ports: readonly string[]): string => `EXPOSE ${plainList(ports)}`,
  user: (user: string): string => `USER ${user}`,
  volume: (paths: readonly string[]): string => `VOLUME ${plainList(paths)}`,
  shell: (shell: readonly string[]): string => `SHELL ${plainList(shell)}`,
  stopsignal: (signal: string): string => `STOPSIGNAL ${signal}`,
  maintainer: (author: string): string => `MAINTAINER ${author}`,
  healthcheck(check: HealthcheckInstruction): string {
    const times = [check.intervalNs, check.timeoutNs, check.startPeriodNs, check.startIntervalNs]
    const parts = [quoteList(check.test), ...times.map(ns => `"${duration(ns)}"`), quoteRune(check.retries)]
    return `HEALTHCHECK &{${parts.join(' ')}}`
  },
}

export interface TransferText {
  readonly name: 'COPY' | 'ADD'
  readonly parents: boolean
  readonly chown?: string | undefined
  readonly chmod?: string | undefined
  /** With variables expanded, and not cleaned. */
  readonly sources: readonly string[]
  /** Names of heredocs. */
  readonly inline: readonly string[]
  readonly dest: string
}

/** The `comment` of every entry that we add. It is BuildKit's, so that histories compare equal. */
export const HISTORY_COMMENT = 'buildkit.dockerfile.v0'

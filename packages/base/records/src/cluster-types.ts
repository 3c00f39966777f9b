/**
 * The record types of the tools that run a cluster.
 *
 * @module
 */
import type { AnyRecord } from './types.js'

/** What one host is, and what was found on it. Made by cluster-facts, or by any program that makes hosts. */
export interface HostRecord extends AnyRecord {
  readonly type: 'host'
  /** IPv4 or IPv6. */
  readonly address: string
  readonly port?: number
  readonly user?: string
  /** `master` or `node` is among them. */
  readonly roles: readonly string[]
  readonly facts?: HostFacts
}

export interface HostFacts {
  readonly os: string
  /** As OCI names it: `amd64`. */
  readonly architecture: string
  readonly kernel?: string
  readonly hostname?: string
  readonly cgroupDriver?: 'cgroupfs' | 'systemd'
  /** Seconds that its clock is ahead of ours; negative where it is behind. */
  readonly clockAhead?: number
  readonly swap?: boolean
  /** TCP ports on which something listens. */
  readonly ports?: readonly number[]
  /** Bytes that are free where images go. */
  readonly freeBytes?: number
  /** Programs that are there: `containerd`, `docker`, `kubelet`, `k3s`. */
  readonly programs?: readonly string[]
  /** Digests of the blobs that are there. */
  readonly blobs?: readonly string[]
  /** Operations that earlier runs have done there: `ID SHA256`. */
  readonly done?: readonly string[]
}

/** A file on a host. */
export interface PlacedFile {
  /** Absolute. */
  readonly path: string
  /** Octal; `0644` unless said. */
  readonly mode?: string
  /** `<secret:NAME>` in it stands for a secret that is known only while the plan is executed. */
  readonly content: string
}

/** A line of a file that a key names, such as the name behind an address in /etc/hosts. */
export interface PlacedLine {
  readonly file: string
  /** The last word of the line. */
  readonly key: string
  /** Without it, the line is removed. */
  readonly line?: string
}

/** A layer that is unpacked on a host. */
export interface PlacedLayer {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  /** Paths of the layers below that it takes away. */
  readonly removes?: readonly string[]
}

export interface HostCommand {
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** What is done on a host: one of these. */
export type HostAction =
  | { readonly run: HostCommand }
  | { readonly files: readonly PlacedFile[] }
  | { readonly lines: readonly PlacedLine[] }
  | { readonly remove: readonly string[] }
  | {
      readonly unpack: {
        readonly to: string
        readonly layers: readonly PlacedLayer[]
        /** Paths in the layers that are left out. */
        readonly except?: readonly string[]
      }
    }
  /** The part of the output that the pattern's first group matches becomes a secret. */
  | { readonly mint: HostCommand & { readonly secrets: Readonly<Record<string, string>> } }
  | { readonly wait: HostCommand & { readonly seconds: number; readonly every: number } }

/** One step of a plan. Made by cluster-plan; done by cluster-exec. */
export interface OperationRecord extends AnyRecord {
  readonly type: 'operation'
  readonly id: string
  /** The name of the cluster, under which its hosts keep what was done. */
  readonly cluster: string
  /** The address of the host. */
  readonly host: string
  /** One line for people. */
  readonly title: string
  readonly phase: string
  /** The ids of the operations that come before it. */
  readonly needs: readonly string[]
  /** The command succeeds where nothing is left to do. */
  readonly check?: HostCommand
  readonly do: HostAction
  readonly undo?: HostAction
  /** It is done in every run of a plan: what it did may have been undone since. */
  readonly again?: true
  /** Names of secrets that it uses. */
  readonly secrets?: readonly string[]
}

/** What became of an operation. Made by cluster-exec. */
export interface OutcomeRecord extends AnyRecord {
  readonly type: 'outcome'
  readonly id: string
  readonly host: string
  readonly result: 'done' | 'skipped' | 'failed' | 'undone'
  readonly seconds: number
  /** The last lines that it said, where it failed. */
  readonly said?: string
}

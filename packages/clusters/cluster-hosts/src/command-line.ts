/**
 * The cluster and the access to its hosts that a command line names.
 *
 * @module
 */

import type { Readable } from 'node:stream'
import { readInput } from '@pipelayer/cli'
import { assembleCluster, type Cluster } from '@pipelayer/clusterfile'
import type { SshOptions } from './ssh.js'

const MAX_FILE = 16 * 1024 * 1024
const MAX_PASSWORD = 4096

/** The values of `HOST_OPTIONS` and `SSH_OPTIONS`, and what a tool adds. */
export interface ClusterArgs {
  /** The Clusterfile; `-` is stdin. */
  readonly file?: string | undefined
  readonly masters?: string | undefined
  readonly nodes?: string | undefined
  readonly name?: string | undefined
  readonly user?: string | undefined
  readonly key?: string | undefined
  readonly 'password-file'?: string | undefined
  readonly env?: readonly string[]
  readonly arguments?: readonly string[]
}

interface Context {
  readonly stdin: Readable
  readonly env: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
}

/** @throws ToolError those of reading a Clusterfile; `FILE_TOO_LARGE`; the system's error for a file */
export async function clusterOf(args: ClusterArgs, context: Context): Promise<Cluster> {
  const { file, 'password-file': passwords } = args
  const text =
    file === undefined ? undefined : await readInput(file, { stdin: context.stdin, limit: MAX_FILE })
  const secret =
    passwords === undefined
      ? context.env.PIPELAYER_SSH_PASSWORD
      : (await readInput(passwords, { stdin: context.stdin, limit: MAX_PASSWORD }))
          .toString('utf8')
          .replace(/\r?\n$/, '')
  return assembleCluster({
    ...args,
    file: file === undefined || text === undefined ? undefined : { name: file, text: text.toString('utf8') },
    ...(secret && { password: secret }),
  })
}

export function sshOptionsOf(
  args: { readonly 'accept-new-host-keys': boolean; readonly jump: string | undefined },
  { env, signal }: Context,
): SshOptions {
  const { PIPELAYER_SSH_PASSWORD: _, ...rest } = env
  return { acceptNewHostKeys: args['accept-new-host-keys'], jump: args.jump, env: rest, signal }
}

/**
 * The command line of kf-run.
 *
 * @module
 */

import { fileURLToPath } from 'node:url'
import { type Args, type OptionTable, REMOTE_OPTIONS, storeOption, type ToolContext } from '@pipelayer/cli'
import { IMAGE_TYPES } from '@pipelayer/kubefile'
import { defaultStorePath } from '@pipelayer/store'
import { NETWORKS, OVERLAYS, RUNTIMES } from './index.js'
import type { KfRunOptions } from './options.js'

export const OPTIONS = {
  context: {
    type: 'string',
    value: 'DIR|TAR|URL',
    alias: 'c',
    describe: 'where COPY and ADD take files from: a directory, a tar, a git or http address (default: none)',
  },
  'build-context': {
    type: 'array',
    value: 'NAME=DIR|TAR|URL|PLACE',
    describe: 'what FROM, --from and mounts mean by NAME; repeatable',
  },
  'build-arg': {
    type: 'array',
    value: 'NAME[=VALUE]',
    describe: 'the value of an ARG, without VALUE that of the environment; repeatable',
  },
  target: { type: 'string', value: 'STAGE', describe: 'the stage to build (default: the last)' },
  platform: {
    type: 'string',
    value: 'OS/ARCH[/VARIANT][,...]',
    describe: "the image's platform; several make several images (default: this machine's)",
  },
  network: {
    type: 'string',
    choices: NETWORKS,
    describe: 'what RUN reaches; default stands for host',
    default: 'host',
  },
  runtime: { type: 'string', choices: RUNTIMES, describe: 'what executes RUN', default: 'auto' },
  overlays: {
    type: 'string',
    choices: OVERLAYS,
    describe: 'what lays trees of steps on each other; none: each step is a whole copy',
    default: 'auto',
  },
  secret: {
    type: 'array',
    value: 'id=ID[,src=FILE|,env=NAME]',
    describe: 'a secret for RUN --mount=type=secret, without a source the variable or file ID; repeatable',
  },
  mode: {
    type: 'string',
    choices: ['lite'],
    describe: 'how a Kubefile is built: lite, without a cluster, is the only way',
  },
  'host-run': {
    type: 'boolean',
    describe: 'RUN of a Kubefile works on this machine itself, as it did in sealer 0.8 and before',
  },
  type: {
    type: 'string',
    choices: IMAGE_TYPES,
    describe: 'the type of a cluster image (default: as sealer and sealos take it)',
  },
  strict: { type: 'boolean', describe: 'end the build for a guessed container image that cannot be brought' },
  'no-images': { type: 'boolean', describe: 'bring no container images into a cluster image' },
  ssh: {
    type: 'array',
    value: 'ID[=SOCKET|KEY,...]',
    describe:
      'an agent, or keys, for RUN --mount=type=ssh (default: the agent of $SSH_AUTH_SOCK); repeatable',
  },
  allow: {
    type: 'array',
    value: 'security.insecure',
    describe: 'what a Dockerfile may ask for: RUN --security=insecure; repeatable',
  },
  'no-cache': { type: 'boolean', describe: 'execute every step anew' },
  'cache-from': {
    type: 'array',
    value: 'PLACE',
    describe: 'take steps from a cache that --cache-to wrote; repeatable',
  },
  'cache-to': { type: 'array', value: 'PLACE', describe: 'put the steps of this build there; repeatable' },
  snapshots: { type: 'boolean', describe: 'give each step as a snapshot, also one that is packed already' },
  parallel: {
    type: 'number',
    value: 'N',
    describe: 'execute at most N steps at a time (default: 4 or more)',
  },
  pull: { type: 'boolean', describe: 'ask the registry for base images that the store has' },
  'plain-http': { type: 'boolean', describe: 'speak plain HTTP to registries that are not loopback' },
  timeout: REMOTE_OPTIONS.timeout,
  created: {
    type: 'string',
    value: 'TIME',
    describe: 'when the steps were made, as in RFC 3339 (default: $SOURCE_DATE_EPOCH, else now)',
  },
  store: storeOption('the store'),
} as const satisfies OptionTable

/** Reads the options of a command line. The file of the executor lies beside the program. */
export function readArguments(
  args: Args<typeof OPTIONS>,
  { env, signal, info, output, warn, now }: ToolContext,
): KfRunOptions {
  return {
    store: args.store ?? defaultStorePath(env),
    build: {
      context: args.context,
      contexts: args['build-context'],
      args: args['build-arg'],
      // A script with an unset variable passes an empty text: --target="$STAGE".
      target: args.target || undefined,
      platform: args.platform || undefined,
      created: args.created,
    },
    steps: {
      executor: fileURLToPath(new URL('executor.cjs', import.meta.url)),
      network: args.network === 'none' ? 'none' : 'host',
      runtime: RUNTIMES.find(name => name === args.runtime) ?? 'auto',
      overlays: OVERLAYS.find(name => name === args.overlays) ?? 'auto',
      parallel: args.parallel,
      ssh: args.ssh,
      allow: args.allow,
      secrets: args.secret,
    },
    cache: {
      isOff: args['no-cache'],
      from: args['cache-from'],
      to: args['cache-to'],
      snapshots: args.snapshots,
    },
    cluster: {
      hostRun: args['host-run'],
      bareImages: args['no-images'],
      type: args.type,
      strict: args.strict,
    },
    registries: { pull: args.pull, plainHttp: args['plain-http'], timeoutSeconds: args.timeout },
    env,
    signal,
    now: now(),
    say: { info, output, warn },
  }
}

import type { OptionTable } from '@pipelayer/cli'
import { NETWORKS } from './wishes.js'

/** The options of bundle-gen; those of docker run have its names and forms. */
export const FLAGS = {
  rootfs: { type: 'string', value: 'DIR', describe: 'the root filesystem (default: BUNDLE/rootfs)' },
  entrypoint: { type: 'string', value: 'PROGRAM', describe: "in place of the image's ENTRYPOINT and CMD" },
  env: {
    type: 'array',
    alias: 'e',
    value: 'NAME[=VALUE]',
    describe: 'a variable, with the value that it has here unless one is given; repeat it',
  },
  'env-file': { type: 'array', value: 'FILE', describe: 'a file of such lines; repeat it' },
  user: { type: 'string', alias: 'u', value: 'USER[:GROUP]', describe: 'whom the command runs as' },
  workdir: { type: 'string', alias: 'w', value: 'DIR', describe: 'the directory that it starts in' },
  hostname: { type: 'string', value: 'NAME', describe: 'the name of the host inside' },
  tty: { type: 'boolean', alias: 't', describe: 'the process gets a terminal' },
  terminal: { type: 'boolean', describe: 'the same' },
  volume: {
    type: 'array',
    alias: 'v',
    value: 'SOURCE:DIR[:OPTIONS]',
    describe: 'bind a file or directory of this machine; repeat it',
  },
  mount: {
    type: 'array',
    value: 'type=bind|tmpfs,source=...,target=...',
    describe: 'the same in fields, or a file system in memory; repeat it',
  },
  tmpfs: { type: 'array', value: 'DIR[:OPTIONS]', describe: 'a file system in memory; repeat it' },
  'read-only': { type: 'boolean', describe: 'the root filesystem is not written to' },
  network: {
    type: 'string',
    choices: NETWORKS,
    describe: 'what the container reaches',
    default: 'host',
  },
  publish: {
    type: 'array',
    alias: 'p',
    value: '[ADDRESS:]HOST:CONTAINER[/udp]',
    describe: 'a port of the host that leads into a private network; repeat it',
  },
  'cap-add': {
    type: 'array',
    value: 'NAME|ALL',
    describe: 'a capability beside the default ones; repeat it',
  },
  'cap-drop': { type: 'array', value: 'NAME|ALL', describe: 'a capability that is not given; repeat it' },
  seccomp: {
    type: 'string',
    value: 'FILE|default|unconfined',
    describe: 'which system calls are allowed',
    default: 'default',
  },
  memory: { type: 'string', alias: 'm', value: 'AMOUNT', describe: 'at most so much memory, such as 512m' },
  'memory-swap': { type: 'string', value: 'AMOUNT', describe: 'memory and swap together; -1 for any swap' },
  cpus: { type: 'string', value: 'N', describe: 'at most the time of so many processors, such as 1.5' },
  'pids-limit': { type: 'string', value: 'N', describe: 'at most so many processes; -1 for no limit' },
  ulimit: { type: 'array', value: 'NAME=SOFT[:HARD]', describe: 'a limit of each process; repeat it' },
  label: { type: 'array', alias: 'l', value: 'KEY=VALUE', describe: 'an annotation; repeat it' },
  annotation: { type: 'array', value: 'KEY=VALUE', describe: 'the same' },
  rootless: { type: 'boolean', describe: 'for a runtime that you start without being root' },
} as const satisfies OptionTable

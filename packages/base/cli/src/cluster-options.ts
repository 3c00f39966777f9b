import type { OptionTable } from './options.js'

/** The hosts of a cluster, as sealer's commands take them. */
export const HOST_OPTIONS = {
  masters: {
    type: 'string',
    alias: 'm',
    value: 'LIST',
    describe: 'addresses of masters: IP, IP:PORT, IP-IP, with commas',
  },
  nodes: { type: 'string', alias: 'n', value: 'LIST', describe: 'addresses of workers' },
  name: {
    type: 'string',
    value: 'NAME',
    describe: 'the name of the cluster (default: that of the Clusterfile, else my-cluster)',
  },
} as const satisfies OptionTable

/** How hosts are reached. A password is in a file or in the environment, and on no command line. */
export const SSH_OPTIONS = {
  user: { type: 'string', alias: 'u', value: 'NAME', describe: 'the user on the hosts' },
  key: { type: 'string', alias: 'i', value: 'FILE', describe: 'the private key for ssh' },
  'password-file': {
    type: 'string',
    value: 'FILE',
    describe: 'holds the password for ssh (default: $PIPELAYER_SSH_PASSWORD, else none)',
  },
  'accept-new-host-keys': { type: 'boolean', describe: 'take the keys of hosts that ssh does not know yet' },
  jump: {
    type: 'string',
    alias: 'J',
    value: 'HOST',
    describe: 'reach the hosts through this one, as ssh -J',
  },
} as const satisfies OptionTable

import os from 'node:os'
import { runTool } from '@pipelayer/cli'
import { platformOfNode } from '@pipelayer/oci'
import { defaultStorePath } from '@pipelayer/store'
import { imgPull } from './index.js'

runTool({
  name: 'img-pull',
  summary: 'read images from registries and other places into the store, and write their records',
  options: {
    platform: {
      type: 'string',
      value: 'OS/ARCH[/VARIANT]',
      describe: 'which manifest of an index to take (default: this machine, linux)',
    },
    'all-platforms': { type: 'boolean', describe: 'take an index as a whole' },
    store: {
      type: 'string',
      value: 'DIR',
      describe: 'the store (default: $PIPELAYER_STORE or ~/.local/share/pipelayer)',
    },
    'no-tag': { type: 'boolean', describe: 'do not name the images in the store' },
    'plain-http': { type: 'boolean', describe: 'speak plain HTTP to registries, not only to local ones' },
  },
  positionals: { synopsis: 'REFERENCE...', min: 1, max: Number.POSITIVE_INFINITY },
  input: args => (args._.includes('-') ? 'references' : 'none'),
  run: (records, args, { env, signal, warn }) =>
    imgPull(records, {
      references: args._,
      platform: args.platform,
      // Images are made for Linux, whatever this machine runs.
      machine: platformOfNode({ platform: 'linux', arch: process.arch, endianness: os.endianness() }),
      allPlatforms: args['all-platforms'],
      noTag: args['no-tag'],
      plainHttp: args['plain-http'],
      store: args.store ?? defaultStorePath(env),
      env,
      signal,
      warn,
    }),
})

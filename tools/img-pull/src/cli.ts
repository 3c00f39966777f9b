import { REMOTE_OPTIONS, remoteAccess, runTool, storeOption } from '@pipelayer/cli'
import { remoteOptions, stdinOf } from '@pipelayer/places'
import { machinePlatform } from '@pipelayer/pulling'
import { defaultStorePath } from '@pipelayer/store'
import { imgPull } from './index.js'

runTool({
  name: 'img-pull',
  summary: 'read images from registries and other places into the store, and write their records',
  options: {
    platform: {
      type: 'array',
      value: 'OS/ARCH[/VARIANT]',
      describe: 'which manifest of an index to take; of several a new index (default: this machine, linux)',
    },
    'all-platforms': { type: 'boolean', describe: 'take an index as a whole' },
    referrers: { type: 'boolean', describe: 'take along what refers to an image, such as signatures' },
    store: storeOption('the store'),
    'no-tag': { type: 'boolean', describe: 'do not name the images in the store' },
    verify: { type: 'boolean', describe: 'read the layers that are here, and fetch anew what is damaged' },
    'no-store': { type: 'boolean', describe: 'bring no blobs: records say where they are' },
    ...REMOTE_OPTIONS,
  },
  positionals: { synopsis: 'REFERENCE...', min: 1, max: Number.POSITIVE_INFINITY },
  input: args => (args._.includes('-') ? 'references' : 'none'),
  run: (records, args, context) =>
    imgPull(records, {
      references: args._,
      platforms: args.platform,
      machine: machinePlatform(),
      allPlatforms: args['all-platforms'],
      noTag: args['no-tag'],
      referrers: args.referrers,
      noStore: args['no-store'],
      verify: args.verify,
      store: args.store ?? defaultStorePath(context.env),
      // With "-", stdin is the list of references.
      ...(!args._.includes('-') && { run: { stdin: stdinOf(context) } }),
      ...remoteOptions(remoteAccess(args), context),
    }),
})

import { REMOTE_OPTIONS, remoteAccess, runTool, storeOption } from '@pipelayer/cli'
import { remoteOptions } from '@pipelayer/places'
import { defaultStorePath, holdStore } from '@pipelayer/store'
import { blobPut, blobPutBytes, writesBytes } from './index.js'

runTool({
  name: 'blob-put',
  summary: 'write the images of a stream to a registry or another place',
  options: {
    store: storeOption('the store of "store:" places'),
    verify: {
      type: 'boolean',
      describe: 'read the layers that a layout, the store or a folder has, and put anew what is damaged',
    },
    'additional-tag': {
      type: 'array',
      value: 'REFERENCE',
      describe: 'a further name of the image in an archive that is given with a name',
    },
    'dry-run': { type: 'boolean', describe: 'put nothing, and say what would be put' },
    ...REMOTE_OPTIONS,
  },
  positionals: { synopsis: '[PLACE]', min: 0, max: 1 },
  input: 'records',
  output: args => (writesBytes({ place: args._[0], dryRun: args['dry-run'] }) ? 'bytes' : 'records'),
  run: (records, args, context) => {
    holdStore(args.store, context.env)
    const put = writesBytes({ place: args._[0], dryRun: args['dry-run'] }) ? blobPutBytes : blobPut
    return put(records, {
      place: args._[0],
      dryRun: args['dry-run'],
      run: { additionalTags: args['additional-tag'] },
      verify: args.verify,
      store: args.store ?? defaultStorePath(context.env),
      ...remoteOptions(remoteAccess(args), context),
    })
  },
})

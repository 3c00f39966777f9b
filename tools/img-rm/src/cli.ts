import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { imgRm } from './index.js'
import { LINES } from './text.js'

runTool({
  name: 'img-rm',
  summary: 'take names of images out of the store',
  options: {
    force: {
      type: 'boolean',
      alias: 'f',
      describe: 'remove all names of an image that is given by its digest',
    },
    'dry-run': { type: 'boolean', describe: 'remove nothing, and say what would be removed' },
    store: storeOption('the store'),
  },
  positionals: { synopsis: 'IMAGE...', min: 1, max: Number.POSITIVE_INFINITY },
  input: args => (args._.includes('-') ? 'references' : 'none'),
  text: (_args, { terminal }) => (terminal ? LINES : undefined),
  run: (records, args, context) =>
    imgRm(records, {
      store: args.store ?? defaultStorePath(context.env),
      images: args._,
      force: args.force,
      dryRun: args['dry-run'],
    }),
})

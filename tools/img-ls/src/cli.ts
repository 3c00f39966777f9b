import { runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { imgLs } from './index.js'
import { FORMATS, textForm } from './text.js'

runTool({
  name: 'img-ls',
  summary: 'list the images of the store',
  options: {
    format: {
      type: 'string',
      choices: FORMATS,
      describe: 'form of stdout (default: text on a terminal, else records)',
    },
    'no-trunc': {
      type: 'boolean',
      describe: 'as text, show digests in full and times as the image has them',
    },
    store: storeOption('the store'),
  },
  positionals: { synopsis: '[NAME|PATTERN]...', min: 0, max: Number.POSITIVE_INFINITY },
  input: 'none',
  text: (args, { terminal }) =>
    textForm({
      format: args.format ?? (terminal ? 'text' : 'records'),
      full: args['no-trunc'],
      now: new Date(),
    }),
  run: (_records, args, context) =>
    imgLs({ store: args.store ?? defaultStorePath(context.env), patterns: args._ }),
})

import { REMOTE_OPTIONS, runTool, storeOption } from '@pipelayer/cli'
import { EDIT_OPTIONS } from '@pipelayer/image-edits'
import { optionsOf } from './arguments.js'
import { imgEdit } from './index.js'

runTool({
  name: 'img-edit',
  summary: 'change the images of a stream: config, annotations, layers, base, history',
  options: {
    ...EDIT_OPTIONS,
    created: { type: 'string', value: 'TIME', describe: 'creation time of the image, RFC 3339' },
    append: {
      type: 'array',
      value: 'LAYER',
      describe: 'layer on top: a directory, a tar, or a file of records with layers (repeatable)',
    },
    rebase: {
      type: 'string',
      value: 'OLD=NEW',
      describe: 'put the layers of the image NEW in place of those of its base OLD',
    },
    'strip-history': {
      type: 'boolean',
      describe: 'keep of the history one entry for each layer, with its time alone',
    },
    store: storeOption('where documents and layers go'),
    ...REMOTE_OPTIONS,
  },
  input: 'records',
  run: (records, args, context) => imgEdit(records, optionsOf(args, context)),
})

import { runTool } from '@pipelayer/cli'
import { inputOf, OPTIONS, optionsOf } from './arguments.js'
import { runInMount } from './command.js'
import { ovlMount } from './index.js'
import { mountTableForm } from './text.js'

runTool({
  name: 'ovl-mount',
  summary: 'mount an image or directories as an overlay, list and unmount such mounts',
  options: OPTIONS,
  positionals: { synopsis: 'DIR... [-- COMMAND...]', min: 0, max: Number.POSITIVE_INFINITY },
  input: inputOf,
  output: args => (args['--'] === undefined ? 'records' : 'bytes'),
  isSilent: () => true,
  text: (args, { terminal }) => (args.list && terminal ? mountTableForm() : undefined),
  run: (records, args, context) =>
    (args['--'] === undefined ? ovlMount : runInMount)(records, optionsOf(args, context)),
})

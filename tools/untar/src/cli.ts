import { runTool } from '@pipelayer/cli'
import { holdStore } from '@pipelayer/store'
import { OPTIONS, optionsOf } from './arguments.js'
import { untar } from './index.js'
import { untarToTar } from './to-tar.js'

runTool({
  name: 'untar',
  summary: 'unpack layers to a root filesystem',
  options: OPTIONS,
  positionals: { synopsis: '[DIR]', min: 0, max: 1 },
  input: args => (args.tar.length > 0 ? 'none' : 'records'),
  output: args => (args['to-tar'] ? 'bytes' : 'records'),
  run: (records, args, context) => {
    if (args.tar.length === 0) holdStore(args.store, context.env)
    return (args['to-tar'] ? untarToTar : untar)(records, optionsOf(args, context))
  },
})

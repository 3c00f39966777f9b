import { runTool } from '@pipelayer/cli'
import { OPTIONS, optionsOf } from './arguments.js'
import { registryServe } from './index.js'

runTool({
  name: 'registry-serve',
  summary: 'serve an OCI layout or a registry folder as a registry',
  options: OPTIONS,
  positionals: { synopsis: 'PLACE', min: 1, max: 1 },
  input: 'none',
  run: (_records, args, context) => registryServe(optionsOf(args, context)),
})

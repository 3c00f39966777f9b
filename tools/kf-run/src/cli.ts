import { runTool } from '@pipelayer/cli'
import { OPTIONS, readArguments } from './arguments.js'
import { kfRun } from './index.js'

runTool({
  name: 'kf-run',
  summary: 'execute the instructions of a Dockerfile or a Kubefile step by step',
  options: OPTIONS,
  input: 'records',
  run: (records, args, context) => kfRun(records, readArguments(args, context)),
})

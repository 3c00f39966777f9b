import { runTool } from '@pipelayer/cli'
import { type Arguments, OPTIONS, optionsOf } from './arguments.js'
import { untar } from './index.js'
import { untarToTar } from './to-tar.js'

const TOOL = {
  name: 'untar',
  summary: 'unpack layers to a root filesystem',
  options: OPTIONS,
  positionals: { synopsis: '[DIR]', min: 0, max: 1 },
  input: (args: Arguments) => (args.tar.length > 0 ? ('none' as const) : ('records' as const)),
}

// Whether records or bytes come out has to be known before anything is parsed: a tool writes the one or the other.
const isToTar = process.argv.slice(2).some(word => /^--to-tar(=true)?$/.test(word))

if (isToTar)
  runTool({
    ...TOOL,
    output: 'bytes',
    run: (records, args, context) => untarToTar(records, optionsOf(args, context)),
  })
else runTool({ ...TOOL, run: (records, args, context) => untar(records, optionsOf(args, context)) })

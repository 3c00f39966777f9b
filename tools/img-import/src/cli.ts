import { readBytes, runTool, storeOption } from '@pipelayer/cli'
import { defaultStorePath } from '@pipelayer/store'
import { imgImport } from './index.js'

runTool({
  name: 'img-import',
  summary: 'read images from an archive into the store',
  options: {
    tag: { type: 'string', alias: 't', value: 'REFERENCE', describe: 'name the only image of the archive' },
    verify: {
      type: 'boolean',
      describe: 'read the layers, too, that the store has and the archive has not',
    },
    store: storeOption('the store'),
  },
  positionals: { synopsis: '[FILE]', min: 0, max: 1 },
  input: 'none',
  run: (_records, args, context) =>
    imgImport(readBytes(args._[0] ?? '-', context.stdin), {
      tag: args.tag,
      verify: args.verify,
      store: args.store ?? defaultStorePath(context.env),
      signal: context.signal,
      warn: context.warn,
    }),
})

import { runTool, storeOption } from '@pipelayer/cli'
import { DIALECTS, kfParse } from './index.js'

runTool({
  name: 'kf-parse',
  summary: 'read a Dockerfile or a Kubefile and write its instructions',
  options: {
    dialect: {
      type: 'string',
      choices: DIALECTS,
      describe: 'the language (default: by the file name; a Kubefile by its words)',
    },
    'file-name': {
      type: 'string',
      value: 'NAME',
      describe: 'what records and messages call the file (default: as given)',
    },
    store: storeOption('where long heredocs go'),
  },
  positionals: { synopsis: '[FILE]', min: 0, max: 1 },
  input: 'none',
  run: (_, args, { stdin, env }) =>
    kfParse(args._[0] ?? 'Dockerfile', {
      stdin,
      dialect: DIALECTS.find(name => name === args.dialect),
      fileName: args['file-name'],
      store: args.store,
      env,
    }),
})

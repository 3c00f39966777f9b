import { runTool, storeOption } from '@pipelayer/cli'
import { LANGUAGE_OPTIONS, languageNamed } from '@pipelayer/kubefile'
import { EXPLANATION, kfParse } from './index.js'

runTool({
  name: 'kf-parse',
  summary: 'read a Dockerfile or a Kubefile and write its instructions',
  options: {
    dialect: {
      type: 'string',
      choices: LANGUAGE_OPTIONS,
      describe: 'the language (default: by the file name; a Kubefile by its words)',
    },
    'explain-dialect': { type: 'boolean', describe: 'say the language and what shows it, and nothing else' },
    'file-name': {
      type: 'string',
      value: 'NAME',
      describe: 'what records and messages call the file (default: as given)',
    },
    store: storeOption('where long heredocs go'),
  },
  positionals: { synopsis: '[FILE]', min: 0, max: 1 },
  input: 'none',
  text: (args, { terminal }) => (args['explain-dialect'] && terminal ? EXPLANATION : undefined),
  run: (_, args, { stdin, env, warn }) =>
    kfParse(args._[0] ?? 'Dockerfile', {
      stdin,
      dialect: languageNamed(args.dialect),
      explainDialect: args['explain-dialect'],
      fileName: args['file-name'],
      store: args.store,
      env,
      warn,
    }),
})

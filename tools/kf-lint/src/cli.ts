import { runTool } from '@pipelayer/cli'
import { LANGUAGE_OPTIONS, languageNamed } from '@pipelayer/kubefile'
import { isBad } from './findings.js'
import { FORMATS, textForm } from './forms.js'
import { kfLint } from './index.js'

runTool({
  name: 'kf-lint',
  summary: 'find mistakes and bad habits in a Dockerfile or a Kubefile',
  options: {
    format: {
      type: 'string',
      choices: FORMATS,
      describe: 'form of stdout (default: text on a terminal, else records)',
    },
    'error-from': {
      type: 'string',
      choices: ['error', 'warning', 'info', 'never'],
      default: 'warning',
      describe: 'the least severity that makes the exit status 1',
    },
    skip: { type: 'array', value: 'RULE,..', describe: 'leave out these rules, or all' },
    experimental: { type: 'array', value: 'RULE,..', describe: 'take in these experimental rules, or all' },
    'build-arg': { type: 'array', value: 'NAME[=VALUE]', describe: 'set an ARG; NAME: from the environment' },
    platform: { type: 'string', value: 'OS/ARCH', default: 'linux/amd64', describe: 'what is built for' },
    context: {
      type: 'string',
      value: 'DIR',
      describe: 'where .dockerignore lies, and plugins to check (default: beside FILE)',
    },
    dialect: {
      type: 'string',
      choices: LANGUAGE_OPTIONS,
      describe: 'the language of FILE (default: by its name; a Kubefile by its words)',
    },
    fix: { type: 'boolean', describe: 'mend in FILE what is safe to mend, and tell what is left' },
    'file-name': { type: 'string', value: 'NAME', describe: 'what findings call FILE (default: as given)' },
  },
  positionals: { synopsis: '[FILE]', min: 0, max: 1 },
  input: args => (args._.length > 0 ? 'none' : 'records'),
  text: (args, { terminal }) => textForm(args.format ?? (terminal ? 'text' : 'records')),
  isBad: (record, args) => isBad(record, args['error-from']),
  run: (records, args, { stdin, env }) =>
    kfLint(records, {
      stdin,
      env,
      file: args._[0],
      skip: args.skip,
      experimental: args.experimental,
      buildArgs: args['build-arg'],
      platform: args.platform,
      context: args.context,
      dialect: languageNamed(args.dialect),
      fileName: args['file-name'],
      fix: args.fix,
    }),
})

import { REMOTE_OPTIONS, remoteAccess, runTool } from '@pipelayer/cli'
import { remoteOptions } from '@pipelayer/places'
import { choiceOf } from './choice.js'
import { registryRm } from './index.js'

runTool({
  name: 'registry-rm',
  summary: 'delete tags and manifests of a registry',
  options: {
    match: { type: 'string', value: 'REGEXP', describe: 'only tags in which REGEXP is found' },
    except: { type: 'string', value: 'REGEXP', describe: 'no tags in which REGEXP is found' },
    'older-than': {
      type: 'string',
      value: 'DURATION',
      describe: 'only images that were created longer ago: 720h',
    },
    'dry-run': { type: 'boolean', describe: 'delete nothing, and write a plan record for each' },
    force: {
      type: 'boolean',
      alias: 'f',
      describe: 'where a tag cannot be deleted alone, delete its manifest with all of its tags',
    },
    ...REMOTE_OPTIONS,
  },
  positionals: { synopsis: 'IMAGE|REPOSITORY...', min: 1, max: Number.POSITIVE_INFINITY },
  input: args => (args._.includes('-') ? 'references' : 'none'),
  run: (records, args, context) =>
    registryRm(records, {
      names: args._.filter(name => name !== '-'),
      choice: choiceOf(
        { match: args.match, except: args.except, olderThan: args['older-than'] },
        context.now(),
      ),
      dryRun: args['dry-run'],
      force: args.force,
      remote: remoteOptions(remoteAccess(args), context),
    }),
})

import { REMOTE_OPTIONS, remoteAccess, runTool } from '@pipelayer/cli'
import { remoteOptions } from '@pipelayer/places'
import { LINES, registryLs } from './index.js'

runTool({
  name: 'registry-ls',
  summary: 'list the repositories of a registry, the tags of a repository, the referrers of an image',
  options: {
    tags: { type: 'boolean', describe: 'of a registry: list the tags of all repositories' },
    referrers: { type: 'boolean', describe: 'of an image: list what refers to it, such as signatures' },
    'artifact-type': { type: 'string', value: 'TYPE', describe: 'only referrers of this type' },
    filter: { type: 'string', value: 'GLOB', describe: 'only what GLOB matches: *, **, ?, [abc]' },
    match: { type: 'string', value: 'REGEXP', describe: 'only what REGEXP is found in' },
    ...REMOTE_OPTIONS,
  },
  positionals: { synopsis: 'HOST|REPOSITORY|IMAGE', min: 1, max: 1 },
  input: 'none',
  text: (_args, { terminal }) => (terminal ? LINES : undefined),
  run: (_records, args, context) =>
    registryLs({
      name: args._[0] ?? '',
      tags: args.tags,
      referrers: args.referrers,
      artifactType: args['artifact-type'],
      filter: args.filter,
      match: args.match,
      remote: remoteOptions(remoteAccess(args), context),
    }),
})

import { REMOTE_OPTIONS, remoteAccess, runTool } from '@pipelayer/cli'
import { remoteOptions } from '@pipelayer/places'
import { LINES, registryLs, searchTable } from './index.js'

runTool({
  name: 'registry-ls',
  summary:
    'list or search the repositories of a registry, list the tags of a repository, the referrers of an image',
  options: {
    search: {
      type: 'string',
      value: 'WORD',
      describe: 'of a registry, or of Docker Hub without HOST: find the repositories that WORD fits',
    },
    limit: { type: 'number', value: 'N', describe: 'with --search: at most N, up to 100 (default: 25)' },
    tags: { type: 'boolean', describe: 'of a registry: list the tags of all repositories' },
    referrers: { type: 'boolean', describe: 'of an image: list what refers to it, such as signatures' },
    'artifact-type': { type: 'string', value: 'TYPE', describe: 'only referrers of this type' },
    filter: { type: 'string', value: 'GLOB', describe: 'only what GLOB matches: *, **, ?, [abc]' },
    match: { type: 'string', value: 'REGEXP', describe: 'only what REGEXP is found in' },
    ...REMOTE_OPTIONS,
  },
  positionals: { synopsis: '[HOST|REPOSITORY|IMAGE]', min: 0, max: 1 },
  input: 'none',
  text: (args, { terminal }) => (terminal ? (args.search === undefined ? LINES : searchTable()) : undefined),
  run: (_records, args, context) =>
    registryLs({
      name: args._[0] ?? '',
      search: args.search,
      limit: args.limit,
      tags: args.tags,
      referrers: args.referrers,
      artifactType: args['artifact-type'],
      filter: args.filter,
      match: args.match,
      remote: remoteOptions(remoteAccess(args), context),
    }),
})

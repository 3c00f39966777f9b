import { REMOTE_OPTIONS, remoteAccess, runTool } from '@pipelayer/cli'
import { remoteOptions } from '@pipelayer/places'
import { registryLogin } from './index.js'

runTool({
  name: 'registry-login',
  summary: 'keep the credentials of a registry, or forget them',
  options: {
    username: { type: 'string', alias: 'u', value: 'USER', describe: 'the user name (default: asked for)' },
    'password-stdin': { type: 'boolean', describe: 'read the password from stdin (default: asked for)' },
    logout: { type: 'boolean', describe: 'forget the credentials of HOST' },
    ...REMOTE_OPTIONS,
  },
  positionals: { synopsis: 'HOST', min: 1, max: 1 },
  input: 'none',
  run: (_records, args, context) =>
    registryLogin({
      host: args._[0],
      username: args.username,
      passwordStdin: args['password-stdin'],
      logout: args.logout,
      remote: remoteOptions(remoteAccess(args), context),
      stdin: () => context.stdin,
      info: context.info,
    }),
})

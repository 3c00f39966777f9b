import { REMOTE_OPTIONS, remoteAccess, runTool, storeOption } from '@pipelayer/cli'
import { parsePlatform } from '@pipelayer/oci'
import { remoteOptions } from '@pipelayer/places'
import { machinePlatform } from '@pipelayer/pulling'
import { defaultStorePath } from '@pipelayer/store'
import { textForm } from './format.js'
import { imgInspect } from './index.js'

runTool({
  name: 'img-inspect',
  summary: 'show what the documents of images say, as docker inspect does',
  options: {
    format: {
      type: 'string',
      value: 'records|json|PATH',
      describe:
        'form of stdout, or the value to show, such as .Config.Env (default: json on a terminal, else records)',
    },
    platform: {
      type: 'string',
      value: 'OS/ARCH[/VARIANT]',
      describe: 'which manifest of an index to show (default: this machine, linux)',
    },
    store: storeOption('the store'),
    ...REMOTE_OPTIONS,
  },
  positionals: { synopsis: 'IMAGE...', min: 1, max: Number.POSITIVE_INFINITY },
  input: 'none',
  text: (args, { terminal }) => textForm(args.format ?? (terminal ? 'json' : 'records')),
  run: (_records, args, context) => {
    const machine = machinePlatform()
    return imgInspect({
      store: args.store ?? defaultStorePath(context.env),
      images: args._,
      platform: args.platform === undefined ? machine : parsePlatform(args.platform, machine),
      ...remoteOptions(remoteAccess(args), context),
    })
  },
})

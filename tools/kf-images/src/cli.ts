import { runTool } from '@pipelayer/cli'
import { kfImages } from './index.js'

runTool({
  name: 'kf-images',
  summary: 'list the container images that manifests, charts and image lists name',
  options: {
    compat: { type: 'string', choices: ['sealer'], describe: 'read manifests by the line, as sealer does' },
    explain: { type: 'boolean', describe: 'say in each record by which rule the image was found' },
    helm: {
      type: 'string',
      value: 'FILE',
      describe: 'the helm that renders charts; none: guess from values (default: helm of $PATH)',
    },
    platform: {
      type: 'string',
      value: 'OS/ARCH[/VARIANT]',
      describe: 'the platform that the references ask for',
    },
    'write-auth': {
      type: 'string',
      value: 'FILE',
      describe: 'write the credentials of imageListWithAuth.yaml there, as a config.json of Docker',
    },
  },
  positionals: { synopsis: '[PATH...]', min: 0, max: Number.POSITIVE_INFINITY },
  input: 'none',
  run: (_, args, { env, signal, stdin, warn }) =>
    kfImages(args._.length === 0 ? ['.'] : args._, {
      env,
      signal,
      stdin,
      warn,
      isSealer: args.compat === 'sealer',
      explains: args.explain,
      helm: args.helm,
      platform: args.platform,
      authFile: args['write-auth'],
    }),
})

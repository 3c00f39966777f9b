import { CONFIG_OPTIONS, runTool, storeOption } from '@pipelayer/cli'
import { optionsOf } from './arguments.js'
import { manifestGen } from './index.js'

runTool({
  name: 'manifest-gen',
  summary: 'describe layers: write config, manifest and index',
  input: 'records',
  options: {
    tag: { type: 'string', alias: 't', value: 'REFERENCE', describe: 'name of the image' },
    store: storeOption('where documents go'),
    platform: {
      type: 'string',
      value: 'OS/ARCH',
      describe: 'platform of the image (default: the config, else this machine)',
    },
    'media-types': {
      type: 'string',
      choices: ['oci', 'docker'],
      describe: 'family of the manifest (default: oci, docker where all came so)',
    },
    annotation: {
      type: 'array',
      value: 'KEY=VALUE',
      describe: 'annotation of the manifest, with --index of the index',
    },
    index: { type: 'boolean', describe: 'join all images of the stream into one index' },
    ...CONFIG_OPTIONS,
    author: { type: 'string', value: 'TEXT', describe: 'author of the image' },
    created: {
      type: 'string',
      value: 'TIME',
      describe: 'creation time, RFC 3339, where no config came (default: SOURCE_DATE_EPOCH, else now)',
    },
    'new-config': { type: 'boolean', describe: 'make a config for layers whose own did not come' },
  },
  run: (records, args, context) => manifestGen(records, optionsOf(args, context)),
})

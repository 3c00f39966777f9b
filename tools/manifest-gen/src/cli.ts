import { runTool, storeOption } from '@pipelayer/cli'
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
    cmd: { type: 'array', value: 'WORD', describe: 'default command: a word, or one JSON array' },
    entrypoint: { type: 'array', value: 'WORD', describe: 'entrypoint: a word, or one JSON array' },
    env: { type: 'array', alias: 'e', value: 'NAME=VALUE', describe: 'environment variable' },
    label: { type: 'array', value: 'KEY=VALUE', describe: 'label' },
    workdir: { type: 'string', value: 'DIR', describe: 'working directory' },
    user: { type: 'string', value: 'USER[:GROUP]', describe: 'user of the process' },
    expose: { type: 'array', value: 'PORT[/PROTOCOL]', describe: 'port that the image listens on' },
    volume: { type: 'array', value: 'DIR', describe: 'directory of data' },
    'stop-signal': { type: 'string', value: 'SIGNAL', describe: 'signal that ends the process' },
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

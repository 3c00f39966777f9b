import { runTool } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { registryServe } from './index.js'

runTool({
  name: 'registry-serve',
  summary: 'serve an OCI layout or a registry folder as a registry',
  options: {
    layout: { type: 'boolean', describe: 'DIR is, or becomes, an OCI layout' },
    folder: { type: 'boolean', describe: "DIR is, or becomes, distribution's folder: docker/registry/v2" },
    listen: {
      type: 'string',
      value: 'HOST:PORT',
      describe: 'where to listen; port 0 is any that is free',
      default: '127.0.0.1:5000',
    },
    'read-only': { type: 'boolean', describe: 'let nobody push or delete' },
    htpasswd: { type: 'string', value: 'FILE', describe: 'users and passwords, as htpasswd -B writes them' },
    'tls-cert': { type: 'string', value: 'FILE', describe: 'certificate and its chain, PEM' },
    'tls-key': { type: 'string', value: 'FILE', describe: 'key of the certificate, PEM' },
    'max-blob-bytes': { type: 'number', value: 'N', describe: 'take no blob that is larger' },
    'upload-expiry': {
      type: 'number',
      value: 'HOURS',
      describe: 'give an upload up that nobody went on with for so long',
      default: 24,
    },
    'until-eof': { type: 'boolean', describe: 'stop when stdin ends' },
  },
  positionals: { synopsis: 'DIR', min: 1, max: 1 },
  input: 'none',
  run: (_records, args, context) => {
    const { layout, folder, listen, htpasswd, 'tls-cert': cert, 'tls-key': key } = args
    const maxBlobBytes = args['max-blob-bytes']
    if (layout && folder) throw usage('--layout and --folder exclude each other')
    if ((cert === undefined) !== (key === undefined)) throw usage('--tls-cert and --tls-key need each other')
    return registryServe({
      dir: args._[0] ?? '',
      ...(folder ? { kind: 'folder' } : layout ? { kind: 'layout' } : {}),
      listen,
      ...(cert !== undefined && key !== undefined && { tls: { cert, key } }),
      ...(htpasswd !== undefined && { htpasswd }),
      readOnly: args['read-only'],
      ...(maxBlobBytes !== undefined && { maxBlobBytes }),
      uploadExpiry: args['upload-expiry'],
      ...(args['until-eof'] && { lifeline: context.stdin }),
      signal: context.signal,
      now: context.now,
      warn: context.warn,
    })
  },
})

function usage(why: string): ToolError {
  return new ToolError('USAGE', why, { status: 2 })
}

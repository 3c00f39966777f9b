import type { Args, OptionTable, ToolContext } from '@pipelayer/cli'
import { storeOption } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { defaultStorePath } from '@pipelayer/store'
import type { RegistryServeOptions } from './index.js'
import { servedPlace } from './served-place.js'

/** The command line. */
export const OPTIONS = {
  layout: { type: 'boolean', describe: 'DIR is, or becomes, an OCI layout' },
  folder: { type: 'boolean', describe: "DIR is, or becomes, distribution's folder: docker/registry/v2" },
  store: storeOption('the store, for store:'),
  listen: {
    type: 'string',
    value: 'HOST:PORT',
    describe: 'where to listen; port 0 is any that is free',
    default: '127.0.0.1:5000',
  },
  name: {
    type: 'array',
    value: 'HOST',
    describe: 'one more name that a server without --htpasswd answers to; may be repeated',
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
  'max-uploads': {
    type: 'number',
    value: 'N',
    describe: 'uploads that are open at the same time, at most',
    default: 1000,
  },
  'until-eof': { type: 'boolean', describe: 'stop when stdin ends' },
} as const satisfies OptionTable

/** The options that a command line gives. @throws ToolError `USAGE`, `PLACE_INVALID`, status 2 */
export function optionsOf(args: Args<typeof OPTIONS>, context: ToolContext): RegistryServeOptions {
  const { layout, folder, listen, htpasswd, 'tls-cert': cert, 'tls-key': key } = args
  const maxBlobBytes = args['max-blob-bytes']
  if (layout && folder) throw usage('--layout and --folder exclude each other')
  if ((cert === undefined) !== (key === undefined)) throw usage('--tls-cert and --tls-key need each other')
  const given = folder ? 'folder' : layout ? 'layout' : undefined
  return {
    ...servedPlace(args._[0] ?? '', given, () => args.store ?? defaultStorePath(context.env)),
    listen,
    ...(cert !== undefined && key !== undefined && { tls: { cert, key } }),
    ...(htpasswd !== undefined && { htpasswd }),
    names: args.name,
    readOnly: args['read-only'],
    maxUploads: args['max-uploads'],
    ...(maxBlobBytes !== undefined && { maxBlobBytes }),
    uploadExpiry: args['upload-expiry'],
    ...(args['until-eof'] && { lifeline: context.stdin }),
    signal: context.signal,
    now: context.now,
    warn: context.warn,
  }
}

function usage(why: string): ToolError {
  return new ToolError('USAGE', why, { status: 2 })
}

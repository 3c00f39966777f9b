/**
 * Turns the command line into options.
 *
 * @module
 */

import type { OptionTable, ToolContext } from '@pipelayer/cli'
import { storeOption } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import type { IdMap } from '@pipelayer/records'
import { defaultStorePath, Store } from '@pipelayer/store'
import { Selection } from '@pipelayer/unpacking'
import type { UntarOptions } from './index.js'

/** The default limit for the bytes of a layer. A layer of this size may still be meant; few disks are larger. */
const MAX_BYTES = 256 * 2 ** 30
const MAX_ENTRIES = 10_000_000
/**
 * The default limit for the ratio of compression. Deflate reaches 1032, so a higher ratio is an attack. It is checked
 * when more than 1 GiB has come out.
 */
const MAX_RATIO = 1100
const RATIO_FROM_BYTES = 2 ** 30

export const OPTIONS = {
  into: { type: 'boolean', describe: 'write over a directory that is not empty, in place' },
  tar: {
    type: 'array',
    value: 'FILE',
    describe: 'unpack a tar, in place of records; repeat it, lowest first',
  },
  overlay: { type: 'boolean', describe: 'make a directory for each layer, as overlayfs takes them' },
  xattrs: {
    type: 'string',
    choices: ['trusted', 'user'],
    default: 'trusted',
    describe: 'with --overlay: prefix of its xattrs',
  },
  'to-tar': { type: 'boolean', describe: 'write the tree to stdout as one tar, in place of DIR and records' },
  subset: { type: 'array', value: 'GLOB', describe: 'unpack only what matches, with all below; repeat it' },
  strip: { type: 'number', value: 'N', describe: 'leave out N leading components of names', default: 0 },
  duplicates: {
    type: 'string',
    choices: ['same', 'last'],
    default: 'same',
    describe: 'of a path that a layer has twice, take both if they are the same, or the last',
  },
  'uid-map': {
    type: 'array',
    value: 'IMAGE:DISK:COUNT',
    describe: 'owners on disk of those of the image; repeat it',
  },
  'gid-map': { type: 'array', value: 'IMAGE:DISK:COUNT', describe: 'the same for groups' },
  'max-bytes': { type: 'number', value: 'N', describe: 'bytes of one layer, unpacked', default: MAX_BYTES },
  'max-entries': { type: 'number', value: 'N', describe: 'entries of one layer', default: MAX_ENTRIES },
  'max-ratio': {
    type: 'number',
    value: 'N',
    describe: 'bytes out for a byte in, of a layer over 1 GiB',
    default: MAX_RATIO,
  },
  store: storeOption('where blobs without a path are'),
} as const satisfies OptionTable

/** The values of {@link OPTIONS}. */
export interface Arguments {
  readonly _: readonly string[]
  readonly into: boolean
  readonly tar: readonly string[]
  readonly overlay: boolean
  readonly xattrs: string
  readonly 'to-tar': boolean
  readonly subset: readonly string[]
  readonly strip: number
  readonly duplicates: string
  readonly 'uid-map': readonly string[]
  readonly 'gid-map': readonly string[]
  readonly 'max-bytes': number
  readonly 'max-entries': number
  readonly 'max-ratio': number
  readonly store: string | undefined
}

/** @throws ToolError `USAGE`, `GLOB_INVALID`, status 2 */
export function optionsOf(args: Arguments, context: ToolContext): UntarOptions {
  refuseTogether(args)
  const { subset, strip } = args
  for (const name of ['strip', 'max-bytes', 'max-entries', 'max-ratio'] as const)
    if (!(args[name] >= 0)) throw usage(`--${name} takes a number from 0 on`)
  return {
    target: args._[0] ?? '',
    tars: args.tar,
    into: args.into,
    ...(args.overlay ? { overlay: args.xattrs === 'user' ? ('user' as const) : ('trusted' as const) } : {}),
    ...(subset.length > 0 || strip > 0 ? { selection: new Selection({ globs: subset, strip }) } : {}),
    ...idMapOf(args),
    repeated: args.duplicates === 'last' ? 'last' : 'same',
    limits: {
      maxBytes: args['max-bytes'],
      maxRatio: args['max-ratio'],
      ratioFromBytes: RATIO_FROM_BYTES,
    },
    maxEntries: args['max-entries'],
    store: () => Store.open(args.store ?? defaultStorePath(context.env), { create: false }),
    onWarning: context.warn,
    onExit: context.onExit,
    signal: context.signal,
  }
}

function refuseTogether(args: Arguments): void {
  // --into writes one tree in place, so there are no separate layers, and --to-tar makes no directory.
  const ways = (['into', 'overlay', 'to-tar'] as const).filter(name => args[name])
  if (ways.length > 1) throw usage(`${ways.map(name => `--${name}`).join(' and ')} exclude each other`)
  if (args['to-tar'] !== (args._.length === 0))
    throw usage(args['to-tar'] ? '--to-tar writes no DIR' : 'the DIR to unpack into is missing')
}

const EVERY_ID = [0, 0, 2 ** 32 - 1] as const

function idMapOf(args: Arguments): { readonly idMap?: IdMap } {
  if (args['uid-map'].length + args['gid-map'].length === 0) return {}
  return { idMap: { uid: rowsOf(args['uid-map']), gid: rowsOf(args['gid-map']) } }
}

function rowsOf(texts: readonly string[]): IdMap['uid'] {
  return texts.length === 0 ? [EVERY_ID] : texts.map(rowOf)
}

function rowOf(text: string): IdMap['uid'][number] {
  const match = /^(\d{1,10}):(\d{1,10}):(\d{1,10})$/.exec(text)
  if (match === null) throw usage(`${JSON.stringify(text)} is no IMAGE:DISK:COUNT`)
  return [Number(match[1]), Number(match[2]), Number(match[3])]
}

function usage(message: string): ToolError {
  return new ToolError('USAGE', message, { status: 2 })
}

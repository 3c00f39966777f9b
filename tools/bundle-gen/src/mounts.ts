/**
 * The mounts that the caller wants in a container: `--volume`, `--mount` and `--tmpfs`, as docker run takes them.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'
import type { Mount } from '@pipelayer/containers'
import { parseCSVLine, parseGoBoolean } from '@pipelayer/dockerfile'
import { optionError } from './option-error.js'
import { parseBytes } from './sizes.js'

/** What the caller wants mounted, and the directories that are volumes of the image's own. */
export interface WantedMounts {
  readonly mounts: readonly Mount[]
  /** Destinations of `--volume DIR` without a source. */
  readonly volumes: readonly string[]
}

/** The texts of the options. */
export interface MountFlags {
  readonly volumes: readonly string[]
  readonly mounts: readonly string[]
  readonly tmpfs: readonly string[]
}

const PROPAGATION = /^r?(private|slave)$/
/** Options for engines and systems that share files in other ways. They change nothing here, nor on Linux with Docker. */
const IGNORED = /^([zZU]|rw|nocopy|consistent|cached|delegated)$/
/** Flags of mount(2) that are none of the file system's, and data that the kernel's tmpfs takes. */
const TMPFS_FLAG =
  /^(ro|rw|(no)?(exec|suid|dev|atime|diratime|relatime|mand)|strictatime|a?sync|dirsync|defaults)$/
const TMPFS_DATA = /^(size|mode|uid|gid|nr_inodes|nr_blocks|mpol)=.+$/
const TMPFS_DEFAULTS = ['noexec', 'nosuid', 'nodev']

/**
 * Parses the options. Sources are made absolute and must exist.
 *
 * @throws {ToolError} `OPTION_INVALID`
 */
export function parseMounts(flags: MountFlags): WantedMounts {
  const volumes = flags.volumes.filter(text => !text.includes(':'))
  const mounts = [
    ...flags.volumes.filter(text => text.includes(':')).map(parseVolume),
    ...flags.mounts.map(parseMount),
    ...flags.tmpfs.map(parseTmpfs),
  ]
  const all = mounts.map(({ destination }) => destination)
  const twice = all.find((each, index) => all.indexOf(each) !== index)
  if (twice !== undefined) throw optionError('--volume', twice, 'two mounts have this destination')
  return { mounts, volumes: volumes.map(text => destinationOf(text, { option: '--volume', text })) }
}

/** A mount whose destination has fewer components comes first, so that it does not hide another one below it. */
export function outerFirst(mounts: readonly Mount[]): Mount[] {
  const depth = ({ destination }: Mount): number => destination.split('/').length
  return [...mounts].sort((a, b) => depth(a) - depth(b))
}

interface Said {
  readonly option: string
  readonly text: string
}

function parseVolume(text: string): Mount {
  const said = { option: '--volume', text }
  const [source = '', destination = '', options = '', ...more] = text.split(':')
  if (more.length > 0 || source === '' || destination === '')
    throw optionError('--volume', text, 'it takes SOURCE:DESTINATION[:OPTIONS]')
  const words = options.split(',').filter(word => word !== '')
  const wrong = words.find(word => word !== 'ro' && !PROPAGATION.test(word) && !IGNORED.test(word))
  if (wrong !== undefined) throw optionError('--volume', text, unknownOption(wrong))
  return bindMount({ source, destination, words: words.filter(word => !IGNORED.test(word)) }, said)
}

function unknownOption(word: string): string {
  if (/^r?shared$/.test(word)) return `"${word}" is not done: mounts of the container do not reach the host`
  return `"${word}" is not known: options are ro, rw, z, Z, rprivate and rslave`
}

interface Bind {
  readonly source: string
  readonly destination: string
  /** `ro`, or how mounts pass on. */
  readonly words: readonly string[]
  readonly isFlat?: boolean
}

function bindMount({ source, destination, words, isFlat }: Bind, said: Said): Mount {
  const absolute = path.resolve(source)
  if (fs.statSync(absolute, { throwIfNoEntry: false }) === undefined)
    throw optionError(
      said.option,
      said.text,
      `the source "${absolute}" does not exist: make it first (there are no named volumes, and no folder is made)`,
    )
  const propagation = words.some(word => PROPAGATION.test(word)) ? [] : ['rprivate']
  return {
    destination: destinationOf(destination, said),
    type: 'bind',
    source: absolute,
    options: [isFlat ? 'bind' : 'rbind', ...propagation, ...words],
  }
}

function destinationOf(text: string, { option, text: given }: Said): string {
  if (!text.startsWith('/')) throw optionError(option, given, `the destination "${text}" is not absolute`)
  const clean = path.posix.resolve(text)
  if (clean === '/') throw optionError(option, given, 'the destination cannot be "/"')
  return clean
}

/** The keys of `--mount`, and the names that each may have. */
const KEYS: Readonly<Record<string, string>> = {
  type: 'type',
  source: 'source',
  src: 'source',
  destination: 'destination',
  dst: 'destination',
  target: 'destination',
  readonly: 'readonly',
  ro: 'readonly',
  'bind-propagation': 'propagation',
  'bind-nonrecursive': 'flat',
  consistency: 'ignored',
  'tmpfs-size': 'size',
  'tmpfs-mode': 'mode',
}

function parseMount(text: string): Mount {
  const said = { option: '--mount', text }
  const fields = fieldsOf(said)
  const { type = 'volume', source, destination = '', propagation, size, mode } = fields
  if (type !== 'bind' && type !== 'tmpfs')
    throw optionError('--mount', text, `type=${type} is not known: it is bind or tmpfs`)
  const words = isTrue(fields.readonly, said) ? ['ro'] : []
  if (type === 'tmpfs') {
    if (source !== undefined || propagation !== undefined || fields.flat !== undefined)
      throw optionError('--mount', text, 'a tmpfs has a destination, tmpfs-size, tmpfs-mode and readonly')
    return tmpfsMount(destinationOf(destination, said), [...words, ...tmpfsData({ size, mode }, said)])
  }
  if (source === undefined || source === '') throw optionError('--mount', text, 'it has no source')
  if (size !== undefined || mode !== undefined)
    throw optionError('--mount', text, 'tmpfs-size and tmpfs-mode belong to type=tmpfs')
  if (propagation !== undefined && !PROPAGATION.test(propagation))
    throw optionError('--mount', text, unknownOption(propagation))
  const passed = propagation === undefined ? [] : [propagation]
  const isFlat = isTrue(fields.flat, said)
  return bindMount({ source, destination, words: [...passed, ...words], isFlat }, said)
}

function fieldsOf({ option, text }: Said): Record<string, string> {
  const found: Record<string, string> = {}
  for (const field of parseCSVLine(text) ?? []) {
    const equals = field.indexOf('=')
    const name = (equals < 0 ? field : field.slice(0, equals)).trim().toLowerCase()
    const key = Object.hasOwn(KEYS, name) ? KEYS[name] : undefined
    if (key === undefined) throw optionError(option, text, `the field "${name}" is not known`)
    if (equals < 0 && key !== 'readonly' && key !== 'flat')
      throw optionError(option, text, `the field "${name}" needs a value`)
    found[key] = equals < 0 ? 'true' : field.slice(equals + 1)
  }
  if (Object.keys(found).length === 0) throw optionError(option, text, 'it takes fields: KEY=VALUE,...')
  return found
}

function isTrue(value: string | undefined, { option, text }: Said): boolean {
  const is = value === undefined ? false : parseGoBoolean(value)
  if (is === undefined) throw optionError(option, text, `"${value}" is neither true nor false`)
  return is
}

function tmpfsData(
  { size, mode }: { readonly size: string | undefined; readonly mode: string | undefined },
  { option, text }: Said,
): string[] {
  if (mode !== undefined && !/^0?[0-7]{3,4}$/.test(mode))
    throw optionError(option, text, `tmpfs-mode is octal, such as 1777, not "${mode}"`)
  return [
    ...(size === undefined ? [] : [`size=${parseBytes(size, option)}`]),
    ...(mode === undefined ? [] : [`mode=${mode}`]),
  ]
}

function parseTmpfs(text: string): Mount {
  const colon = text.indexOf(':')
  const place = colon < 0 ? text : text.slice(0, colon)
  const words = colon < 0 ? [] : text.slice(colon + 1).split(',')
  const wrong = words.find(word => !TMPFS_FLAG.test(word) && !TMPFS_DATA.test(word))
  if (wrong !== undefined) throw optionError('--tmpfs', text, `"${wrong}" is no option of a tmpfs`)
  return tmpfsMount(destinationOf(place, { option: '--tmpfs', text }), words)
}

// An option of the caller takes the place of its opposite among the defaults.
function tmpfsMount(destination: string, words: readonly string[]): Mount {
  const defaults = TMPFS_DEFAULTS.filter(name => !words.includes(name) && !words.includes(name.slice(2)))
  return { destination, type: 'tmpfs', source: 'tmpfs', options: [...defaults, ...words] }
}

import path from 'node:path'
import type { ToolError } from '@pipelayer/errors'
import type { ExecutorSetup } from '@pipelayer/executor'
import { putImages } from '@pipelayer/image-streams'
import { parsePlatform } from '@pipelayer/oci'
import { type PlaceOptions, remoteOptions } from '@pipelayer/places'
import { pullImages } from '@pipelayer/pulling'
import type { AnyRecord } from '@pipelayer/records'
import { type CredentialSource, lookUp } from '@pipelayer/registry'
import type { ImagesAction } from '@pipelayer/steps'
import { findHelm, imageReferences, type RegistryLogin, scan } from '@pipelayer/workload-images'
import { placeOf, splitReferences } from './guesses.js'
import { collected, type Failure, failureOf } from './outcome.js'
import { type PackedImage, packedImages } from './packed-images.js'
import { pluginWarnings } from './plugins.js'

/** The parts of the executor that are needed here: access to its chains, and its messages. */
type Surroundings = Pick<ExecutorSetup, 'env' | 'warn' | 'inform' | 'openChain'>
type Warn = (message: string, code?: string) => void

/** The tool name in the records that are made here; no other program sees them. */
const TOOL = 'cluster-build'
/** Failures of this machine, which are never those of a guess. */
const FATAL = new Set(['EACCES', 'EDQUOT', 'EIO', 'ENOSPC', 'EROFS'])

interface Found {
  readonly references: readonly AnyRecord[]
  readonly failures: readonly Failure[]
  /** The logins of the list of images. */
  readonly logins: readonly RegistryLogin[]
}

/**
 * Puts the images that new layers name into `registry/` of a root filesystem: it searches for them, pulls them and puts
 * them into that registry folder, several at a time. Images that the base has there are not fetched again, and those
 * that lie in archives in `images/` are taken from there.
 *
 * An image that is only guessed, and cannot be brought, is a warning, unless the build is strict. What is wrong with
 * plugins is a warning, too.
 *
 * This runs in the process of the executor, because only there the root filesystem is mounted. That process has the
 * network of the build and reads the credentials of the user, and writes them nowhere. Blobs go from the registry to
 * the folder as they come, so the memory is that of {@link pullImages} and {@link putImages}, and the list of
 * references. A build that is stopped ends the executor.
 *
 * @throws {ToolError} `IMAGES_FAILED` if images cannot be found or fetched: it names all of them
 */
export async function bringImages(setup: Surroundings, action: ImagesAction, target: string): Promise<void> {
  const { fresh } = action
  const chain = fresh.kind === 'chain' ? setup.openChain(fresh.lowers) : undefined
  try {
    await bringFrom(chain?.dir, { setup, action, registry: path.join(target, 'registry') })
  } finally {
    chain?.close()
  }
}

interface Bringing {
  readonly setup: Surroundings
  readonly action: ImagesAction
  /** The folder of the registry. */
  readonly registry: string
}

/** @param dir - the tree of the new layers */
async function bringFrom(dir: string | undefined, { setup, action, registry }: Bringing): Promise<void> {
  // Messages name files by their path in the image, and an image as the registry will have it.
  const shown = (message: string): string =>
    message.replaceAll(`registry-fs:${registry}:`, '').replaceAll(dir === undefined ? '\0' : `${dir}/`, '')
  const warn: Warn = (message, code) =>
    setup.warn(code === undefined ? shown(message) : `${shown(message)} [${code}]`)
  for (const message of dir === undefined ? [] : pluginWarnings(dir)) warn(message, 'PLUGIN_INVALID')
  const fail = (failures: readonly Failure[]): ToolError =>
    failureOf(failures.map(one => ({ ...one, message: shown(one.message) })))
  const found = await findImages(dir, { setup, action, warn })
  if (found.failures.length > 0) throw fail(found.failures)
  const packed = dir === undefined ? [] : await packedImages(dir, warn)
  const { certain, guesses } = splitReferences(found.references, {
    packed: packed.map(one => one.name),
    warn,
  })
  const count = packed.length + certain.length + guesses.length
  if (count > 0) setup.inform(`${count} container images come into the registry`)
  const bring = bringer({ setup, action, registry }, { logins: found.logins, warn })
  const failures: Failure[] = []
  for (const image of packed) failures.push(...(await bring.packed(image)))
  failures.push(...(await bring.references(certain)))
  const doubtful = await bring.references(guesses)
  const counted = doubtful.filter(one => action.strict || FATAL.has(one.code))
  for (const one of doubtful) if (!counted.includes(one)) warn(guessMessage(one, guesses), one.code)
  const all = [...failures, ...counted]
  if (all.length > 0) throw fail(all)
}

function guessMessage({ message, reference }: Failure, guesses: readonly AnyRecord[]): string {
  const guess = guesses.find(one => one.reference === reference)
  const place = guess === undefined ? '' : `${placeOf(guess)}: `
  return `${place}${reference ?? 'an image'} is a guess, and is left out: ${message}`
}

/** The images that the new layers and the list of the context name. */
async function findImages(
  dir: string | undefined,
  {
    setup,
    action,
    warn,
  }: { readonly setup: Surroundings; readonly action: ImagesAction; readonly warn: Warn },
): Promise<Found> {
  const { list, context, platform } = action
  const logins: RegistryLogin[] = []
  const files = [...(dir === undefined ? [] : [dir]), ...(list === undefined ? [] : [list])]
  const found = imageReferences(scanAll(files, { helm: findHelm(undefined, setup.env), context }), {
    tool: TOOL,
    warn,
    platform,
    onLogin: login => logins.push(login),
  })
  const { records, failures } = await collected(found)
  return { references: records.filter(record => record.type === 'reference'), failures, logins }
}

async function* scanAll(
  files: readonly string[],
  { helm, context }: { readonly helm: string | undefined; readonly context: string | undefined },
): ReturnType<typeof scan> {
  for (const file of files) yield* scan(file, { helm })
  if (context !== undefined) yield* scan(context, { helm, isRootfs: true })
}

/** Brings images into the registry folder; each of its functions returns what failed. */
interface Bringer {
  references(records: readonly AnyRecord[]): Promise<readonly Failure[]>
  packed(image: PackedImage): Promise<readonly Failure[]>
}

function bringer(
  { setup, action, registry }: Bringing,
  { logins, warn }: { readonly logins: readonly RegistryLogin[]; readonly warn: Warn },
): Bringer {
  const options = placeOptions(setup, action, { logins, warn })
  const choice = { platforms: [parsePlatform(action.platform)], keeps: 'nothing' } as const
  const pulled = (records: readonly AnyRecord[]): AsyncIterable<AnyRecord> =>
    pullImages(each(records), { ...options, tool: TOOL, references: ['-'], choice })
  const put = (records: AsyncIterable<AnyRecord>): AsyncIterable<AnyRecord> =>
    putImages(records, { ...options, tool: TOOL, place: `registry-fs:${registry}` })
  return {
    references: async records =>
      records.length === 0 ? [] : (await collected(put(pulled(records)))).failures,
    packed: async ({ name, place, file }) => {
      const records = pulled([{ type: 'reference', reference: place, platform: action.platform }])
      const { failures } = await collected(put(renamed(records, name)))
      return failures.map(one => ({ ...one, message: `${file}: ${name}: ${one.message}` }))
    },
  }
}

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, undefined> {
  yield* records
}

/** Gives the image of a stream its name in the registry. */
async function* renamed(
  records: AsyncIterable<AnyRecord>,
  reference: string,
): AsyncGenerator<AnyRecord, void, undefined> {
  for await (const record of records) yield record.root === true ? { ...record, reference } : record
}

/**
 * How registries are reached: as in the whole build, but the credentials of the image list come before those of the
 * user.
 */
function placeOptions(
  setup: Surroundings,
  { plainHttp, timeoutSeconds, store }: ImagesAction,
  { logins, warn }: { readonly logins: readonly RegistryLogin[]; readonly warn: Warn },
): PlaceOptions {
  // A build that is stopped ends this process, so the signal is never used.
  const { signal } = new AbortController()
  const remote = remoteOptions({ plainHttp, timeoutSeconds }, { env: setup.env, signal, warn })
  // If a registry has two logins, the last one counts.
  const auths = Object.fromEntries(logins.map(({ registry, ...login }) => [registry, login]))
  const credentials: CredentialSource = async (domain, path) =>
    (await lookUp({ auths }, domain, { path })) ?? (await remote.registries?.credentials?.(domain, path))
  return { ...remote, store, registries: { ...remote.registries, credentials } }
}

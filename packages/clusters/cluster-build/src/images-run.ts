import path from 'node:path'
import { ToolError } from '@pipelayer/errors'
import type { ExecutorSetup } from '@pipelayer/executor'
import { putImages } from '@pipelayer/image-streams'
import { parsePlatform } from '@pipelayer/oci'
import { type PlaceOptions, remoteOptions } from '@pipelayer/places'
import { pullImages } from '@pipelayer/pulling'
import type { AnyRecord } from '@pipelayer/records'
import { type CredentialSource, lookUp } from '@pipelayer/registry'
import type { ImagesAction } from '@pipelayer/steps'
import { findHelm, imageReferences, type RegistryLogin, scan } from '@pipelayer/workload-images'

/** The parts of the executor that are needed here: access to its chains, and its messages. */
type Surroundings = Pick<ExecutorSetup, 'env' | 'warn' | 'inform' | 'openChain'>

/** How many images one message names. */
const MAX_NAMED = 20
/** The tool name in the records that are made here; no other program sees them. */
const TOOL = 'cluster-build'

interface Found {
  readonly references: readonly AnyRecord[]
  /** The logins of the list of images. */
  readonly logins: readonly RegistryLogin[]
}

/**
 * Puts the images that new layers name into `registry/` of a root filesystem: it searches for them, pulls them and puts
 * them into that registry folder, several at a time. Images that the base has there are not fetched again.
 *
 * This runs in the process of the executor, because only there the root filesystem is mounted. That process has the
 * network of the build and reads the credentials of the user, and writes them nowhere. Blobs go from the registry to
 * the folder as they come, so the memory is that of {@link pullImages} and {@link putImages}, and the list of
 * references. A build that is stopped ends the executor.
 *
 * @throws {ToolError} `IMAGES_FAILED` if images cannot be found or fetched: it names all of them
 */
export async function bringImages(setup: Surroundings, action: ImagesAction, target: string): Promise<void> {
  const { references, logins } = await findImages(setup, action)
  if (references.length === 0) return
  setup.inform(`${references.length} container images come into the registry`)
  const registry = path.join(target, 'registry')
  const options = placeOptions(setup, action, logins)
  const platforms = [parsePlatform(action.platform)]
  const pulled = pullImages(each(references), {
    ...options,
    tool: TOOL,
    references: ['-'],
    choice: { platforms, keeps: 'nothing' },
  })
  const put = putImages(pulled, { ...options, tool: TOOL, place: `registry-fs:${registry}` })
  // Messages name an image as the registry will have it, without the temporary folder of the step.
  await taken(put, message => message.replaceAll(`registry-fs:${registry}:`, ''))
}

/** The images that the new layers and the list of the context name. */
async function findImages(
  setup: Surroundings,
  { fresh, list, context, platform }: ImagesAction,
): Promise<Found> {
  const chain = fresh.kind === 'chain' ? setup.openChain(fresh.lowers) : undefined
  const logins: RegistryLogin[] = []
  try {
    const files = [...(chain ? [chain.dir] : []), ...(list === undefined ? [] : [list])]
    const found = imageReferences(scanAll(files, { helm: findHelm(undefined, setup.env), context }), {
      tool: TOOL,
      warn: warnBy(setup),
      platform,
      onLogin: login => logins.push(login),
    })
    return { references: await taken(found, message => message), logins }
  } finally {
    chain?.close()
  }
}

async function* scanAll(
  files: readonly string[],
  { helm, context }: { readonly helm: string | undefined; readonly context: string | undefined },
): ReturnType<typeof scan> {
  for (const file of files) yield* scan(file, { helm })
  if (context !== undefined) yield* scan(context, { helm, isRootfs: true })
}

async function* each(records: readonly AnyRecord[]): AsyncGenerator<AnyRecord, void, undefined> {
  yield* records
}

/**
 * Reads records to their end, and returns the references among them.
 *
 * @param shown - turns the message of a failure into the one for the user
 */
async function taken(
  records: AsyncIterable<AnyRecord>,
  shown: (message: string) => string,
): Promise<readonly AnyRecord[]> {
  const failures: string[] = []
  const references: AnyRecord[] = []
  let cause: ToolError | undefined
  try {
    for await (const record of records) {
      if (record.type === 'reference') references.push(record)
      if (record.type === 'failed') failures.push(shown(String(record.message)))
    }
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
    cause = error
    // If each image failed, the error that no image came adds nothing.
    if (error.code !== 'IMAGE_MISSING' || failures.length === 0) failures.push(shown(error.message))
  }
  if (failures.length === 0) return references
  const more = failures.length > MAX_NAMED ? `; and ${failures.length - MAX_NAMED} more` : ''
  const what = `${failures.slice(0, MAX_NAMED).join('; ')}${more}`
  const status = cause?.status === 75 ? 75 : 1
  throw new ToolError('IMAGES_FAILED', `images could not be brought into the registry: ${what}`, {
    cause,
    status,
  })
}

// The executor's warnings carry no code.
function warnBy({ warn }: Surroundings): (message: string, code?: string) => void {
  return (message, code) => warn(code === undefined ? message : `${message} [${code}]`)
}

/**
 * How registries are reached: as in the whole build, but the credentials of the image list come before those of the
 * user.
 */
function placeOptions(
  setup: Surroundings,
  { plainHttp, timeoutSeconds, store }: ImagesAction,
  logins: readonly RegistryLogin[],
): PlaceOptions {
  // A build that is stopped ends this process, so the signal is never used.
  const { signal } = new AbortController()
  const remote = remoteOptions({ plainHttp, timeoutSeconds }, { env: setup.env, signal, warn: warnBy(setup) })
  // If a registry has two logins, the last one counts.
  const auths = Object.fromEntries(logins.map(({ registry, ...login }) => [registry, login]))
  const credentials: CredentialSource = async (domain, path) =>
    (await lookUp({ auths }, domain, { path })) ?? (await remote.registries?.credentials?.(domain, path))
  return { ...remote, store, registries: { ...remote.registries, credentials } }
}

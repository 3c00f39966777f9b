/**
 * registry-rm: deletes tags and manifests of a registry.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import { Connections, type RemoteOptions } from '@pipelayer/places'
import type { AnyRecord, FailedRecord } from '@pipelayer/records'
import { type Choice, passes } from './choice.js'
import { type Described, RemoteRepository } from './remote-repository.js'
import { type Target, targetOf } from './target.js'

export interface RegistryRmOptions {
  /** Images (`HOST/NAME:TAG`, `HOST/NAME@DIGEST`), before those that come in; repositories, with a choice. */
  readonly names: readonly string[]
  readonly choice: Choice
  /** Delete nothing, and say what would be deleted. */
  readonly dryRun: boolean
  /** Delete a manifest with all of its tags, where the registry cannot delete a tag alone. */
  readonly force: boolean
  readonly remote: RemoteOptions
}

const TOOL = 'registry-rm'

/**
 * Yields a `reference` record, with `removed`, for each tag or manifest that was deleted; with `dryRun` a `plan` record.
 * What cannot be deleted gives a `failed` record, and the others are deleted.
 *
 * @throws ToolError `USAGE` of status 2
 */
export async function* registryRm(
  records: AsyncIterable<AnyRecord>,
  options: RegistryRmOptions,
): AsyncGenerator<AnyRecord, void, undefined> {
  const connections = new Connections()
  const { remote } = options
  const run = { ...options, remote: { ...remote, registries: { ...remote.registries, connections } } }
  try {
    // A name on the command line that is none is refused before anything is deleted.
    const targets = options.names.map(name => targetOf(name, options.choice))
    for (const target of targets) yield* removed(target, run)
    for await (const record of records) {
      if (record.type === 'reference') yield* removedReference(String(record.reference), run)
      else yield record
    }
  } finally {
    await connections.close()
  }
}

async function* removedReference(name: string, options: RegistryRmOptions): AsyncGenerator<AnyRecord> {
  try {
    yield* removed(targetOf(name, options.choice), options)
  } catch (error) {
    yield failure(error, name, options)
  }
}

async function* removed(target: Target, options: RegistryRmOptions): AsyncGenerator<AnyRecord> {
  const repository = new RemoteRepository(target, options.remote)
  const chosen: Chosen[] = []
  try {
    for (const reference of await repository.references(target)) {
      const found = await attempted(repository, reference, options)
      if ('type' in found) yield found
      else if (passes(options.choice, found)) chosen.push(found)
    }
    // All are chosen before the first is deleted, since with a manifest other tags of these may go.
    const gone = new Set(chosen.map(({ reference }) => reference))
    for (const image of chosen) yield await removedOne(repository, image, { ...options, gone })
  } catch (error) {
    yield failure(error, target.text, options)
  } finally {
    await repository.close()
  }
}

interface Chosen extends Described {
  readonly reference: string
}

async function attempted(
  repository: RemoteRepository,
  reference: string,
  options: RegistryRmOptions,
): Promise<Chosen | FailedRecord> {
  try {
    const isDated = options.choice.before !== undefined
    return { reference, ...(await repository.describe(reference, { isDated })) }
  } catch (error) {
    return failure(error, repository.name(reference), options)
  }
}

async function removedOne(
  repository: RemoteRepository,
  { reference, descriptor }: Chosen,
  options: RegistryRmOptions & { readonly gone: ReadonlySet<string> },
): Promise<AnyRecord> {
  const name = repository.name(reference)
  const { mediaType, digest, size } = descriptor
  if (options.dryRun)
    return { type: 'plan', tool: TOOL, action: 'delete', place: `docker://${name}`, mediaType, digest, size }
  try {
    await repository.remove(reference, { digest, ...(options.force ? {} : { gone: options.gone }) })
    return { type: 'reference', reference: name, mediaType, digest, size, removed: true }
  } catch (error) {
    return failure(error, name, options)
  }
}

function failure(error: unknown, reference: string, { remote }: RegistryRmOptions): FailedRecord {
  if (!(error instanceof ToolError) || remote.signal?.aborted) throw error
  return { type: 'failed', tool: TOOL, code: error.code, message: error.message, item: { reference } }
}

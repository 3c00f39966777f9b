import type { IncomingMessage } from 'node:http'
import { ToolError, visible } from '@pipelayer/errors'
import type { EngineAddress } from './address.js'
import { bytesOf, errorIn, objectOf } from './answer.js'
import { ask, begin } from './exchange.js'
import { failedLater, harmless, refused, unreachable } from './failure.js'
import { ImageLoad } from './image-load.js'

/** How long an engine may be silent where it has nothing to do but to answer. */
const PING_MS = 30_000
const MAX_DOCUMENT = 1024 * 1024
/** The oldest API that is spoken: that of Docker 1.12. */
const OLDEST = [1, 24] as const
/** So much of the end of an archive is kept, to find the error that an engine writes there. */
const TAIL_BYTES = 16 * 1024

/**
 * An engine that has answered. Requests name its own version of the API, whatever that is: what is asked here has meant
 * the same since 1.24, and engines give up old versions.
 *
 * There is no limit of time for the archives themselves, since an engine prepares and unpacks them as long as it takes.
 */
export class Engine {
  readonly #address: EngineAddress
  readonly #version: string
  readonly #signal: AbortSignal | undefined

  private constructor(address: EngineAddress, version: string, signal: AbortSignal | undefined) {
    this.#address = address
    this.#version = version
    this.#signal = signal
  }

  /**
   * Asks an engine for its version.
   *
   * @throws ToolError `ENGINE_UNREACHABLE`, status 75; `ENGINE_DENIED`, `TLS_FAILED`, `ENGINE_INVALID` for what is no
   * engine, `ENGINE_TOO_OLD`, `ENGINE_FAILED`
   */
  static async connect(
    address: EngineAddress,
    { signal }: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Engine> {
    const response = await ask(address, { method: 'GET', path: '/_ping', signal, idleMs: PING_MS })
    if (response.statusCode !== 200) throw await refused(response, 'answer to a ping')
    const header = response.headers['api-version']
    await drained(response, address)
    const version = typeof header === 'string' ? header : await versionIn(address, signal)
    checkVersion(version, address)
    return new Engine(address, version, signal)
  }

  /**
   * The archive of an image, in the form of `docker save`. It is not checked.
   *
   * @param name - a name with a tag or a digest, or an id
   * @throws ToolError `MANIFEST_UNKNOWN`; `ENGINE_FAILED` also where the engine fails in the middle; `ENGINE_UNREACHABLE`
   * where it breaks off
   */
  async *saved(name: string): AsyncGenerator<Buffer, void, undefined> {
    const response = await this.#ask(`images/${name}/get`)
    if (response.statusCode !== 200) throw await this.#notSaved(response, name)
    let tail: Buffer = Buffer.alloc(0)
    try {
      for await (const chunk of response as AsyncIterable<Buffer>) {
        tail = Buffer.concat([tail, chunk.subarray(-TAIL_BYTES)]).subarray(-TAIL_BYTES)
        yield chunk
      }
    } catch (error) {
      this.#signal?.throwIfAborted()
      throw unreachable(error, this.#address)
    } finally {
      response.destroy()
    }
    const said = errorAtEnd(tail)
    if (said !== undefined) throw failedLater(said, `save the image ${name}`)
  }

  /** Begins to load an archive. The caller finishes or aborts it. */
  async load(): Promise<ImageLoad> {
    const request = await begin(this.#address, {
      method: 'POST',
      path: `/v${this.#version}/images/load?quiet=1`,
      headers: { 'content-type': 'application/x-tar' },
      signal: this.#signal,
    })
    return new ImageLoad(request, this.#address)
  }

  #ask(path: string): Promise<IncomingMessage> {
    return ask(this.#address, { method: 'GET', path: `/v${this.#version}/${path}`, signal: this.#signal })
  }

  // Some engines answer 500 for an image that is not there, while all of them answer 404 when asked what it is.
  async #notSaved(response: IncomingMessage, name: string): Promise<ToolError> {
    const error = await refused(response, `save the image ${name}`)
    const isKnownAbsent = response.statusCode === 404
    if (!isKnownAbsent) {
      const asked = await this.#ask(`images/${name}/json`)
      asked.destroy()
      if (asked.statusCode !== 404) return error
    }
    const where = `in the engine at ${visible(this.#address.text)}`
    return new ToolError('MANIFEST_UNKNOWN', `there is no image ${name} ${where}`, { cause: error })
  }
}

async function versionIn(address: EngineAddress, signal: AbortSignal | undefined): Promise<string> {
  const response = await ask(address, { method: 'GET', path: '/version', signal, idleMs: PING_MS })
  const body = response.statusCode === 200 ? await read(response, address) : undefined
  const version = body === undefined ? undefined : objectOf(body)?.ApiVersion
  response.destroy()
  if (typeof version === 'string') return version
  throw noEngine(address, 'what answers there says no version of its API')
}

async function drained(response: IncomingMessage, address: EngineAddress): Promise<void> {
  if ((await read(response, address)) === undefined)
    throw noEngine(address, 'it answers a ping with more than a megabyte')
}

async function read(response: IncomingMessage, address: EngineAddress): Promise<Buffer | undefined> {
  try {
    return await bytesOf(response, MAX_DOCUMENT)
  } catch (error) {
    throw unreachable(error, address)
  }
}

function checkVersion(version: string, address: EngineAddress): void {
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})$/.exec(version) ?? []
  if (major === undefined) throw noEngine(address, `it says the API version "${harmless(version)}"`)
  const [oldMajor, oldMinor] = OLDEST
  if (Number(major) > oldMajor || (Number(major) === oldMajor && Number(minor) >= oldMinor)) return
  const why = `it speaks version ${version} of the API, and ${OLDEST.join('.')} is the oldest that is known here`
  throw new ToolError('ENGINE_TOO_OLD', `cannot use the engine at ${visible(address.text)}: ${why}`)
}

function noEngine({ text }: EngineAddress, why: string): ToolError {
  return new ToolError('ENGINE_INVALID', `there is no Docker engine at ${visible(text)}: ${why}`)
}

// An engine that fails when it has begun to answer can only append its error, and a tar never ends like that.
function errorAtEnd(tail: Buffer): string | undefined {
  const text = /\{"error(?:Detail)?":.*\}\s*$/s.exec(tail.toString('utf8'))?.[0]
  const message = text === undefined ? undefined : objectOf(Buffer.from(text))
  return message === undefined ? undefined : errorIn(message)
}

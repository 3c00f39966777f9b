import type { ClientRequest } from 'node:http'
import { visible } from '@pipelayer/errors'
import type { EngineAddress } from './address.js'
import { errorIn, loadedIn, messagesOf } from './answer.js'
import { answerTo } from './exchange.js'
import { failedLater, refused, unreachable } from './failure.js'

/**
 * An archive on its way into an engine. The engine loads nothing of an archive whose request is not ended, since the
 * end of its body is missing then.
 */
export class ImageLoad {
  readonly #request: ClientRequest
  readonly #loaded: Promise<readonly string[]>
  /** Settles, without a failure, when the engine has answered. */
  readonly #answered: Promise<void>
  #failure: { readonly error: unknown } | undefined
  #isAnswered = false

  constructor(request: ClientRequest, address: EngineAddress) {
    this.#request = request
    this.#loaded = loadedBy(request, address)
    this.#answered = this.#loaded.then(
      () => {
        this.#isAnswered = true
      },
      (error: unknown) => {
        this.#failure = { error }
      },
    )
  }

  /** Sends some bytes, and returns when the system has taken them. @throws as {@link finish} */
  async write(chunk: Buffer): Promise<void> {
    // An engine may be content before the last byte, such as at the blocks that end a tar.
    if (this.#isAnswered) return
    await Promise.race([
      this.#answered,
      new Promise<void>(resolve => this.#request.write(chunk, () => resolve())),
    ])
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /**
   * Ends the archive, and waits until the engine has loaded it.
   *
   * @returns the names that the engine says it has loaded, and ids of images without a name
   * @throws ToolError `ENGINE_FAILED`, also for an error inside an answer that began well; `ENGINE_INVALID` for an
   * answer that cannot be read; `ENGINE_UNREACHABLE` where it breaks off, and nobody knows what was loaded
   */
  async finish(): Promise<readonly string[]> {
    if (!this.#isAnswered) this.#request.end()
    try {
      return await this.#loaded
    } finally {
      this.#request.destroy()
    }
  }

  /** Breaks the request off. It may be called at any time. */
  abort(): void {
    this.#request.destroy()
  }
}

async function loadedBy(request: ClientRequest, address: EngineAddress): Promise<readonly string[]> {
  const action = `load the images at ${visible(address.text)}`
  const response = await answerTo(request, address)
  if (response.statusCode !== 200) throw await refused(response, action)
  const loaded: string[] = []
  try {
    for await (const message of messagesOf(response as AsyncIterable<Buffer>)) {
      const said = errorIn(message)
      if (said !== undefined) throw failedLater(said, action)
      loaded.push(...loadedIn(message))
    }
  } catch (error) {
    throw unreachable(error, address)
  }
  return loaded
}

import { listRepositories } from './listing.js'
import { type FoundRepository, search } from './search.js'
import { Session, type SessionOptions } from './session.js'

/** A registry as a whole. The code that opens it closes it. */
export class Registry {
  readonly #session: Session

  constructor(options: Omit<SessionOptions, 'path'>) {
    this.#session = new Session({ ...options, path: '' })
  }

  /**
   * Checks that the host is a registry and accepts our credentials.
   *
   * @throws ToolError `UNAUTHORIZED`, `DENIED`; those of a refusal
   */
  async ping(): Promise<void> {
    const response = await this.#session.request({
      method: 'GET',
      target: this.#session.registry,
      actions: [],
      expect: [200],
      action: `log in to ${this.#session.domain}`,
    })
    response.body.cancel()
  }

  /** See {@link listRepositories}. */
  repositories(): AsyncGenerator<string, void, undefined> {
    return listRepositories(this.#session)
  }

  /** See {@link search}. */
  search(what: { readonly word: string; readonly limit: number }): Promise<FoundRepository[] | undefined> {
    return search(this.#session, what)
  }

  close(): Promise<void> {
    return this.#session.close()
  }
}

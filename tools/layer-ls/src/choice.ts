/**
 * Chooses the layers that a command line names.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import type { LayerRecord } from '@pipelayer/records'

/** Checks that each name on a command line can be that of a layer. @throws ToolError `USAGE`, status 2 */
export function layerNames(given: readonly string[]): readonly string[] {
  const wrong = given.find(text => !/^(?:[1-9]\d*|\w+:\w+)$/.test(text))
  if (wrong === undefined) return given
  const message = `--layer takes a number from 1 or a digest, got ${JSON.stringify(wrong)}`
  throw new ToolError('USAGE', message, { status: 2 })
}

/** Chooses layers by number, from 1, base first, separately in each image; or by digest or diffID. */
export class LayerChoice {
  readonly #wanted: ReadonlySet<string>
  readonly #missing: Set<string>
  readonly #counts = new Map<string, number>()

  /** @throws ToolError `USAGE`, status 2 */
  constructor(wanted: readonly string[]) {
    for (const text of wanted)
      if (!/^(?:[1-9]\d*|\w+:\w+)$/.test(text))
        throw new ToolError('USAGE', `--layer takes a number from 1 or a digest, got "${text}"`, {
          status: 2,
        })
    this.#wanted = new Set(wanted)
    this.#missing = new Set(wanted)
  }

  /** Called for every layer that has a blob, in order. */
  takes({ image, digest = '', diffID = '' }: LayerRecord): boolean {
    const count = (this.#counts.get(image) ?? 0) + 1
    this.#counts.set(image, count)
    if (this.#wanted.size === 0) return true
    const names = [String(count), digest, diffID].filter(name => this.#wanted.has(name))
    for (const name of names) this.#missing.delete(name)
    return names.length > 0
  }

  /** @throws ToolError `LAYER_NOT_FOUND`: no image of the stream has such a layer */
  finish(): void {
    const [first] = this.#missing
    if (first !== undefined) throw new ToolError('LAYER_NOT_FOUND', `no image has a layer ${first}`)
  }
}

/**
 * Reads the records of one layer in a stream.
 *
 * @module
 */
import { ToolError } from '@pipelayer/errors'
import {
  type AnyRecord,
  type ChangeRecord,
  changesDigest,
  type LayerBeginRecord,
  type LayerEndRecord,
} from '@pipelayer/records'

/** Reads from `layer-begin` to `layer-end`, and compares the changes with the count and digest in the end record. */
export class LayerReader {
  readonly #begin: LayerBeginRecord
  readonly #iterator: AsyncIterator<AnyRecord>
  readonly #isFiltered: boolean

  constructor(
    begin: LayerBeginRecord,
    iterator: AsyncIterator<AnyRecord>,
    { isFiltered }: { readonly isFiltered: boolean },
  ) {
    this.#begin = begin
    this.#iterator = iterator
    this.#isFiltered = isFiltered
  }

  /**
   * Yields the changes up to the end of the layer.
   *
   * @throws ToolError `LAYER_INCOMPLETE`, `RECORD_MISPLACED`, `CHANGES_MISMATCH`
   */
  async *changes(): AsyncGenerator<ChangeRecord, void, void> {
    const digest = changesDigest()
    for (;;) {
      const next = await this.#iterator.next()
      if (next.done === true) throw new ToolError('LAYER_INCOMPLETE', `${this.#name()} has no "layer-end"`)
      const { value: record } = next
      if (record.type === 'layer-end') {
        if (!this.#isFiltered) this.#compare(record as LayerEndRecord, digest.count, digest.digest())
        return
      }
      if (record.type !== 'change')
        throw new ToolError('RECORD_MISPLACED', `${this.#name()} is interrupted by a "${record.type}" record`)
      digest.update(record as ChangeRecord)
      yield record as ChangeRecord
    }
  }

  /** Reads to the end of the layer and drops its changes. Throws as {@link changes} does. */
  async skip(): Promise<void> {
    for await (const _ of this.changes());
  }

  #compare(end: LayerEndRecord, changes: number, digest: string): void {
    const hint = 'a filter altered them (--filtered takes such a layer)'
    if (end.changes !== changes)
      throw new ToolError(
        'CHANGES_MISMATCH',
        `${this.#name()} has ${changes} changes, expected ${end.changes}: ${hint}`,
      )
    if (end.digest !== digest)
      throw new ToolError(
        'CHANGES_MISMATCH',
        `${this.#name()} has changes of ${digest}, expected ${end.digest}: ${hint}`,
      )
  }

  #name(): string {
    const { image, createdBy } = this.#begin
    return `the layer of image "${image}"${createdBy === undefined ? '' : ` made by ${JSON.stringify(createdBy)}`}`
  }
}

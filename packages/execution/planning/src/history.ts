import type { HistoryEntry } from './image-config.js'

/**
 * Completes the history of a base, so that it has one entry that is not empty for each layer. Missing entries are added
 * at the end, where the newest layers are. Spec: image-spec v1.1, config.md, `history` may be absent.
 *
 * A base with more such entries than layers is left alone: manifest-gen refuses it, naming the numbers.
 */
export function completeHistory(history: readonly HistoryEntry[], layers: number): HistoryEntry[] {
  const known = history.filter(entry => entry.empty_layer !== true).length
  const missing = Math.max(0, layers - known)
  return [...history, ...Array.from({ length: missing }, () => ({ comment: 'layer of the base image' }))]
}

/**
 * Fills in missing times as BuildKit does: an entry without a layer takes the time of the layer before it, or, if it
 * stands before the first new layer, the time of that layer. So the clock is read only when a step is executed, and a
 * rebuild that executes nothing gives the same image.
 *
 * @param from - the position of the first entry of this build
 * @param fallback - the time of a build that has no other time: the clock, read once
 */
export function fillTimes(history: readonly HistoryEntry[], from: number, fallback: string): HistoryEntry[] {
  const own = history.slice(from)
  const base = history.slice(0, from)
  const first = own.find(entry => entry.created !== undefined)?.created
  let last = first ?? newest(base) ?? fallback
  const filled = own.map(entry => {
    last = entry.created ?? last
    return { created: last, ...withoutCreated(entry) }
  })
  return [...base, ...filled]
}

/** The newest time of a history; undefined when it has none that can be read. */
export function newest(history: readonly HistoryEntry[]): string | undefined {
  const times = history.flatMap(({ created }) =>
    created !== undefined && !Number.isNaN(Date.parse(created)) ? [created] : [],
  )
  return times.reduce<string | undefined>(
    (best, time) => (best === undefined || Date.parse(time) > Date.parse(best) ? time : best),
    undefined,
  )
}

function withoutCreated(entry: HistoryEntry): HistoryEntry {
  const { created: _, ...rest } = entry
  return rest
}

import { sizeText, type TextForm, tableForm } from '@pipelayer/cli'
import { shortName } from '@pipelayer/inventory'
import type { VerifiedRecord } from '@pipelayer/records'

/** What a terminal gets: a line for each image, and the sum. Faults are told on stderr. */
export function textForm(): TextForm {
  let images = 0
  let faulty = 0
  return tableForm({
    columns: [
      { head: 'IMAGE' },
      { head: 'DIGEST' },
      { head: 'BLOBS', align: 'right' },
      { head: 'SIZE', align: 'right' },
      { head: 'RESULT' },
    ],
    row: record => {
      if (record.type !== 'verified') return undefined
      const { reference, digest, blobs, size, faults } = record as VerifiedRecord
      images++
      if (faults > 0) faulty++
      const result = faults === 0 ? 'ok' : faults === 1 ? '1 fault' : `${faults} faults`
      const name = reference === undefined ? '<none>' : shortName(reference)
      return [name, digest.slice(0, 'sha256:'.length + 12), String(blobs), sizeText(size), result]
    },
    below: () => `${images === 1 ? '1 image' : `${images} images`}, ${faulty} with faults\n`,
  })
}

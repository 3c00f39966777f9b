import path from 'node:path'

/** The folders of the store beside its blobs, and what each holds. The README's table says the keys. */
const AREAS = {
  caches: 'caches of `RUN --mount=type=cache`',
  contexts: 'digests of the files of contexts',
  damaged: 'blobs that were found to be something else',
  git: 'repositories',
  http: 'what is known of files of the web',
  layers: 'unpacked layers',
  packed: 'which layers a step was packed into',
  partial: 'downloads that are not whole yet',
  pushes: 'uploads that are not whole yet',
  steps: 'executed steps',
  tmp: 'what one process works on',
} as const

/** A folder of the store. */
export type Area = keyof typeof AREAS

/** All of them, in alphabetical order. */
export const areas = Object.keys(AREAS) as readonly Area[]

/** Where an area of the store in `root` lies. It may not be there yet. */
export function areaFolder(root: string, area: Area): string {
  return path.join(root, area)
}

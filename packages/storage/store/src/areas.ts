import path from 'node:path'

/** The folders of the store beside its blobs, in alphabetical order. The README says what each of them holds. */
export const areas = [
  'caches',
  'contexts',
  'damaged',
  'git',
  'http',
  'layers',
  'mounts',
  'packed',
  'partial',
  'pushes',
  'steps',
  'summaries',
  'tmp',
] as const

/** A folder of the store. */
export type Area = (typeof areas)[number]

/** Where an area of the store in `root` lies. It may not be there yet. */
export function areaFolder(root: string, area: Area): string {
  return path.join(root, area)
}

import { createHash } from 'node:crypto'
import type { ImageTree } from '@pipelayer/change-set'
import { showName } from '@pipelayer/records'

type Directory = ImageTree['root']

const REPOSITORIES = ['registry', 'docker', 'registry', 'v2', 'repositories']

/**
 * The images in the registry of a root filesystem: `NAME:TAG`, and the digest that the tag stands for, as
 * `sha256:HEX`, or empty where the folder does not say it.
 *
 * A tag's digest is the text of its file `current/link`, whose bytes are not known here. But every digest that the tag
 * ever stood for is the name of a folder in `index`, and the digest of that text is known.
 */
export function imagesInside({ root }: ImageTree): ReadonlyMap<string, string> {
  const images = new Map<string, string>()
  const top = below(root, REPOSITORIES)
  const open: { readonly dir: Directory; readonly name: string }[] =
    top === undefined ? [] : [{ dir: top, name: '' }]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { dir, name } = next
    for (const [part, child] of dir.children) {
      if (child.kind !== 'dir') continue
      if (part === '_manifests') addTags(images, name, child)
      else if (!part.startsWith('_')) open.push({ dir: child, name: name === '' ? part : `${name}/${part}` })
    }
  }
  return images
}

function addTags(images: Map<string, string>, name: string, manifests: Directory): void {
  for (const [tag, dir] of below(manifests, ['tags'])?.children ?? []) {
    const link = dir.kind === 'dir' ? below(dir, ['current'])?.children.get('link') : undefined
    if (dir.kind !== 'dir' || link === undefined || link.kind === 'dir') continue
    const known = [...(below(dir, ['index', 'sha256'])?.children.keys() ?? [])].map(hex => `sha256:${hex}`)
    images.set(showName(`${name}:${tag}`), known.find(digest => sumOf(digest) === link.sum) ?? '')
  }
}

function below(dir: Directory, path: readonly string[]): Directory | undefined {
  let place: Directory | undefined = dir
  for (const part of path) {
    const child: ReturnType<Directory['children']['get']> = place.children.get(part)
    if (child?.kind !== 'dir') return undefined
    place = child
  }
  return place
}

function sumOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

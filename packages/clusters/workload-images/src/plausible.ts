/**
 * Says whether a text is likely to be the name of an image, where no field says so.
 *
 * @module
 */

import { attemptReference } from './full-name.js'

const MAX_LENGTH = 512
/** Words that may stand behind `image` in the name of an option or a variable that holds an image. */
const BEHIND = new Set(['', 'ref', 'reference', 'name', 'uri', 'fqn', 'full', 'default', 'amd64', 'arm64'])

/** Whether an option, a variable or a key holds an image, by its name: `--engine-image`, `RELATED_IMAGE_PROXY`. */
export function namesImage(name: string): boolean {
  if (/^RELATED_IMAGE_/i.test(name)) return true
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
  const at = words.findLastIndex(word => word === 'image' || word === 'images')
  // A base image is the name of a repository, to which the program adds a tag.
  return at >= 0 && words[at - 1] !== 'base' && words.slice(at + 1).every(word => BEHIND.has(word))
}

/** Whether a text can be an image where a name says that there is one: it has a path, a tag or a digest. */
export function mayBeImage(text: string): boolean {
  return text.length <= MAX_LENGTH && /[/:@]/.test(text) && attemptReference(text) !== undefined
}

/** Whether a text is an image whatever stands beside it: a registry, a path, and a tag or a digest. */
export function isQualified(text: string): boolean {
  if (text.length > MAX_LENGTH || !/^(?:localhost|[^/]*\.[a-z][^/]*)\//i.test(text)) return false
  const reference = attemptReference(text)
  return reference !== undefined && (reference.tag ?? reference.digest) !== undefined
}

/** The images of a text of one or more: `a/b:1`, `3.7.0=a/b:1 3.8.0=a/b:2`, `a/b:1,c/d:2`. */
export function imagesOf(text: string): readonly string[] {
  const items = text.split(/[\s,]+/).filter(item => item !== '')
  const bare = items.map(item => item.replace(/^[\w.-]*=/, ''))
  return bare.every(mayBeImage) ? bare : []
}

/**
 * sealer's own rule: it reads lines, not YAML.
 *
 * Double quotes and commas are dropped, the line is cut at its first colon, the key without its blanks has to end in
 * `image` and to hold no `#`, and the value is what follows without any blank. So comments behind a value, templates
 * and nested maps give texts that are no references; `initimage:` counts, `'image':` does not. Of the list of all images
 * one pair of quotes is stripped.
 *
 * Spec: sealerio/sealer v0.11.0, build/layerutils/utils.go; v0.7.1 keeps commas and blanks of the key
 *
 * @module
 */

import type { FoundImage } from './found.js'

/** The image of one line, `''` when it names none. */
export function sealerImage(line: string): string {
  const plain = line.replace(/[",]/g, '')
  const colon = plain.indexOf(':')
  if (colon < 0) return ''
  const key = plain.slice(0, colon).replaceAll(' ', '')
  return key.endsWith('image') && !key.includes('#') ? plain.slice(colon + 1).replaceAll(' ', '') : ''
}

/** Every line of a text that names an image, in order, repeated ones included. */
export function* sealerImages(text: string, file: string): Generator<FoundImage, void, void> {
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const reference = sealerImage(line)
    if (reference !== '')
      yield { reference, file, line: index + 1, foundIn: 'line', why: 'a line whose key ends in image' }
  }
}

/** An image without the pair of quotes around it, which sealer strips from what its rule has found. */
export function unquoted(image: FoundImage): FoundImage {
  return { ...image, reference: image.reference.trim().replace(/^(["'])(.*)\1$/, '$2') }
}

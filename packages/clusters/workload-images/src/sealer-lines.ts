/**
 * sealer's own rule: it reads lines, not YAML.
 *
 * Double quotes and commas are dropped, the line is cut at its first colon, the key without its blanks has to end in
 * `image` and to hold no `#`, and the value is what follows without any blank. So comments behind a value, templates
 * and nested maps give texts that are no references; `initimage:` counts, `'image':` does not.
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
    if (reference !== '') yield { reference, file, line: index + 1, foundIn: 'line' }
  }
}

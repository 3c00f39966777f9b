/**
 * The name of the file of an image's document: its key, or `=` and the key in base64 if the key has other characters than
 * `.`, digits and lower-case letters before its last one.
 *
 * Spec: containers/storage, makeBigDataBaseName in utils.go, which does not look at the last character.
 */
export function bigDataFile(key: string): string {
  return /^[.0-9a-z]*.?$/su.test(key) ? key : `=${Buffer.from(key).toString('base64')}`
}

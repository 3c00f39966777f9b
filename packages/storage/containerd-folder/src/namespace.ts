/** Spec: containerd, identifiers package: letters, digits, and single `.`, `_` or `-` between them. */
const NAMESPACE = /^[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*$/
const MAX_LENGTH = 76

/** Whether containerd could have a namespace of this name. */
export function isNamespace(text: string): boolean {
  return text.length <= MAX_LENGTH && NAMESPACE.test(text)
}

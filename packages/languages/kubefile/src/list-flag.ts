export interface ListFlag {
  readonly name: string
  readonly values: readonly string[]
}

/**
 * A flag whose value may be a list: `--name=a,b`, `--name=[a, b]`, `--name="[a, b]"`, with or without the dashes.
 * Blanks around values are removed. Undefined for text without a `=`.
 */
export function parseListFlag(text: string): ListFlag | undefined {
  const [, name, list] = /^-*([^=]*)=(.*)$/s.exec(text) ?? []
  if (name === undefined || list === undefined) return undefined
  const bare = list.replace(/^["[]+/, '').replace(/["\]]+$/, '')
  return { name, values: bare.split(',').map(value => value.trim()) }
}

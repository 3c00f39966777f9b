import type { YAMLNode } from '@pipelayer/yaml'
import { child, isOffSwitch } from './fields.js'

const SWITCHES = ['enabled', 'enable', 'install', 'deploy'] as const
const PATH = /\.Values((?:\.\w{1,100}){2,20})/g
const MAX_LINE = 10_000

/** The key that turns off what a map describes; undefined if none does. */
export function offSwitchOf(node: YAMLNode): string | undefined {
  return SWITCHES.find(name => isOffSwitch(child(node, name)))
}

/**
 * Whether a line of a template takes values from below `enabled: false`, and the template has no condition that asks for
 * that switch. Nobody wants such an image.
 *
 * @param paths - the values that the template reads
 */
export function isUnguarded(
  row: string,
  { values, paths }: { readonly values: YAMLNode | undefined; readonly paths: ReadonlySet<string> },
): boolean {
  if (row.length > MAX_LINE) return false
  return [...row.matchAll(PATH)].some(([, path = '']) => {
    const names = path.slice(1).split('.')
    return names.slice(0, -1).some((_, index) => {
      const above = names.slice(0, index + 1)
      const node = above.reduce<YAMLNode | undefined>((at, name) => child(at, name), values)
      const off = node === undefined ? undefined : offSwitchOf(node)
      return off !== undefined && !paths.has([...above, off].join('.'))
    })
  })
}

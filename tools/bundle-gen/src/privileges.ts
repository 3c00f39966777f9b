import { ALL_CAPABILITIES, boundingCapabilities, DEFAULT_CAPABILITIES } from '@pipelayer/containers'
import { optionError } from './option-error.js'

/**
 * The capabilities of a container: Docker's default set, with `--cap-add` and without `--cap-drop`. Names may lack
 * `CAP_`, in any case of letters; `ALL` is all that a program of this machine can have.
 *
 * @param status - of /proc/self/status
 * @throws {ToolError} `OPTION_INVALID`
 */
export function parseCapabilities(
  { add, drop }: { readonly add: readonly string[]; readonly drop: readonly string[] },
  status: string,
): readonly string[] {
  const added = add.map(text => fullName(text, '--cap-add'))
  const dropped = drop.map(text => fullName(text, '--cap-drop'))
  if (added.includes('ALL')) return boundingCapabilities(status).filter(name => !dropped.includes(name))
  const kept = dropped.includes('ALL') ? [] : DEFAULT_CAPABILITIES.filter(name => !dropped.includes(name))
  return [...new Set([...kept, ...added])].sort()
}

function fullName(text: string, option: string): string {
  const upper = text.trim().toUpperCase()
  if (upper === 'ALL') return upper
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`
  if (!ALL_CAPABILITIES.includes(name)) throw optionError(option, text, 'there is no such capability')
  return name
}

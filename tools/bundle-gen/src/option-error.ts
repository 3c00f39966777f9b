import { ToolError } from '@pipelayer/errors'

/** The error for an option whose value cannot be taken; nothing was read or written yet. */
export function optionError(option: string, given: string, why: string): ToolError {
  return new ToolError('OPTION_INVALID', `${option} ${JSON.stringify(given)}: ${why}`, { status: 2 })
}

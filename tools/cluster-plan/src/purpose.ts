import { ToolError } from '@pipelayer/errors'
import type { Purpose } from './index.js'

/** @throws ToolError `USAGE` where a command line wants several things at once */
export function purposeOf(args: {
  readonly join: string | undefined
  readonly remove: string | undefined
  readonly delete: boolean
}): Purpose {
  const { join, remove, delete: all } = args
  if ([join !== undefined, remove !== undefined, all].filter(Boolean).length > 1)
    throw new ToolError('USAGE', '--join, --remove and --delete are three plans: make one at a time', {
      status: 2,
    })
  if (join !== undefined) return { kind: 'join', hosts: join }
  if (remove !== undefined) return { kind: 'remove', hosts: remove }
  return { kind: all ? 'delete' : 'create' }
}

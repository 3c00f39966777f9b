import { ToolError } from '@pipelayer/errors'
import { parsePlace } from '@pipelayer/places'

/**
 * The place of a cache, as `--cache-from` and `--cache-to` name it: a place, or a text that docker build takes:
 * `type=registry,ref=NAME` and `type=local,src=DIR` or `dest=DIR`.
 *
 * ```ts
 * cachePlace('type=local,src=/srv/cache', 'from') // 'oci:/srv/cache:latest'
 * ```
 *
 * @throws {ToolError} `OPTION_INVALID`, status 2
 */
export function cachePlace(text: string, direction: 'from' | 'to'): string {
  if (!text.includes('=')) return placeOf(text, direction)
  const fields = new Map(
    text.split(',').map(field => {
      const at = field.indexOf('=')
      return at < 0 ? [field, ''] : [field.slice(0, at), field.slice(at + 1)]
    }),
  )
  const type = fields.get('type')
  const dir = fields.get(direction === 'from' ? 'src' : 'dest')
  const ref = fields.get('ref')
  if (type === 'registry' && ref) return placeOf(`docker://${ref}`, direction)
  if (type === 'local' && dir) return placeOf(`oci:${dir}:${fields.get('tag') || 'latest'}`, direction)
  throw invalid(text, direction, 'expected type=registry,ref=NAME or type=local with a directory')
}

function placeOf(text: string, direction: 'from' | 'to'): string {
  try {
    parsePlace(text)
  } catch (error) {
    throw invalid(text, direction, error instanceof ToolError ? error.message : 'no place')
  }
  return text
}

function invalid(text: string, direction: 'from' | 'to', why: string): ToolError {
  return new ToolError('OPTION_INVALID', `--cache-${direction} ${text}: ${why}`, { status: 2 })
}

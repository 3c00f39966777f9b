/**
 * The options of every program that edits images, and what they mean.
 *
 * @module
 */
import { type Args, CONFIG_OPTIONS, type OptionTable } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { editsOf, pairs } from '@pipelayer/image-documents'
import { creationTime } from '@pipelayer/oci'
import type { ImageEdits } from './options.js'

/** Rows of an option table. */
export const EDIT_OPTIONS = {
  ...CONFIG_OPTIONS,
  'unset-env': { type: 'array', value: 'NAME', describe: 'remove this environment variable' },
  'unset-label': { type: 'array', value: 'KEY', describe: 'remove this label' },
  annotation: { type: 'array', value: 'KEY=VALUE', describe: 'annotation of the manifest' },
  author: { type: 'string', value: 'TEXT', describe: 'author of the image' },
} as const satisfies OptionTable

/** The values of {@link EDIT_OPTIONS}. */
export type EditArgs = Omit<Args<typeof EDIT_OPTIONS>, '_'>

/**
 * The edits that the options ask for.
 *
 * @throws ToolError `USAGE`, status 2
 */
export function imageEditsOf(args: EditArgs): Pick<ImageEdits, 'config' | 'annotations' | 'author'> {
  const unset = {
    env: names(args['unset-env'], '--unset-env'),
    labels: names(args['unset-label'], '--unset-label'),
  }
  return {
    config: { ...editsOf(args), unset },
    annotations: pairs(args.annotation, '--annotation'),
    author: args.author,
  }
}

/** The time that an option gives, as RFC 3339. @throws ToolError `TIME_INVALID`, status 2 */
export function timeOf(created: string | undefined): string | undefined {
  return created === undefined ? undefined : creationTime({ created, now: new Date(0) }).created
}

// A label may have any key, but a pair in place of a name is a mistake for the option that sets it.
function names(texts: readonly string[], option: string): readonly string[] {
  const wrong = texts.find(text => text === '' || text.includes('='))
  if (wrong === undefined) return texts
  throw new ToolError('USAGE', `${option} takes a name alone, got ${JSON.stringify(wrong)}`, { status: 2 })
}

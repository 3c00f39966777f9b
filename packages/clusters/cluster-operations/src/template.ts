/**
 * Templates of an image's files, filled with the variables of a host: `{{ .NAME }}`. A variable with several values is
 * written as its values with commas between.
 *
 * Spec: sealerio/sealer v0.7.1, pkg/env; Go's text/template, of which the field of the data alone is here.
 *
 * @module
 */

import type { Variables } from '@pipelayer/clusterfile'
import { ToolError } from '@pipelayer/errors'

const ACTION = /\{\{-?\s*([^}]*?)\s*-?\}\}/g
const FIELD = /^\.([A-Za-z_]\w*)$/

/**
 * @param file - its name in messages
 * @throws ToolError `TEMPLATE_INVALID` for a variable that is not set, or an action that is no `{{ .NAME }}`
 */
export function fillTemplate(text: string, variables: Variables, file: string): string {
  return text.replace(ACTION, (action: string, body: string, at: number) => {
    const name = FIELD.exec(body)?.[1]
    const line = text.slice(0, at).split('\n').length
    if (name === undefined)
      throw new ToolError(
        'TEMPLATE_INVALID',
        `${file}:${line}: cannot fill ${action}: only {{ .NAME }} is known`,
      )
    const values = variables[name]
    if (values === undefined)
      throw new ToolError(
        'TEMPLATE_INVALID',
        `${file}:${line}: no variable ${name} is set: add ${name}=VALUE to the env of the Clusterfile`,
      )
    return values.join(',')
  })
}

/** Variables for the environment of a command: several values are separated by blanks, as shells have lists. */
export function environmentOf(variables: Variables): Readonly<Record<string, string>> {
  const pairs = Object.entries(variables).filter(([name]) => /^[A-Za-z_]\w*$/.test(name))
  return Object.fromEntries(pairs.map(([name, values]) => [name, values.join(' ')]))
}

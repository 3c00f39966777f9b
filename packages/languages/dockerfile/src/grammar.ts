/**
 * The differences between the languages that share the Dockerfile's lexer.
 *
 * @module
 */

import type { ArgumentForm } from './arguments.js'

export interface Grammar {
  /** The code of its errors. */
  readonly code: 'DOCKERFILE_INVALID' | 'KUBEFILE_INVALID'
  /** The form of each instruction's arguments, by keyword in lower case. Others are kept without arguments. */
  readonly forms: ReadonlyMap<string, ArgumentForm>
  /** Keywords that may open heredocs, in lower case. */
  readonly heredocs: ReadonlySet<string>
  /** The keyword of an instruction that contains another one, as ONBUILD does, in lower case. */
  readonly wrapper?: string
  /** Whether parser directives such as `# escape=` are read. */
  readonly directives: boolean
  /** What happens to text behind a JSON array. */
  readonly trailing: 'refuse' | 'ignore'
}

export const DOCKERFILE: Grammar = {
  code: 'DOCKERFILE_INVALID',
  forms: new Map<string, ArgumentForm>([
    ['add', 'json-or-blanks'],
    ['arg', 'words'],
    ['cmd', 'json-or-text'],
    ['copy', 'json-or-blanks'],
    ['entrypoint', 'json-or-text'],
    ['env', 'pairs'],
    ['expose', 'blanks'],
    ['from', 'blanks'],
    ['healthcheck', 'word-and-command'],
    ['label', 'pairs'],
    ['maintainer', 'text'],
    ['run', 'json-or-text'],
    ['shell', 'json-or-text'],
    ['stopsignal', 'text'],
    ['user', 'text'],
    ['volume', 'json-or-blanks'],
    ['workdir', 'text'],
  ]),
  heredocs: new Set(['add', 'copy', 'run']),
  wrapper: 'onbuild',
  directives: true,
  trailing: 'refuse',
}

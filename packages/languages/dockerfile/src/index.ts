/**
 * The Dockerfile language: syntax, meaning, words, `.dockerignore`.
 *
 * @module
 */

export type { ArgumentForm } from './arguments.js'
export { parseCSVLine } from './csv.js'
export { detectDirective, detectSyntax, readDirectives } from './directives.js'
export { parseDuration } from './duration.js'
export { type Expansion, expand, expandWord, expandWords } from './expand.js'
export type { ExpandOptions } from './expander.js'
export { fileFields, instructionFields, type SyntaxFields } from './fields.js'
export { readFlagValues } from './flag-values.js'
export { type GitRef, parseGitRef, parseGitURL } from './git-ref.js'
export { hasWildcards, matchGlob } from './glob.js'
export { DOCKERFILE, type Grammar } from './grammar.js'
export { chompHeredoc, findHeredocs, parseHeredocWord } from './heredoc.js'
export { cleanPath, ignoreMatcher, isIgnored, parseIgnore } from './ignore.js'
export type {
  AddInstruction,
  ArgInstruction,
  CopyInstruction,
  FromInstruction,
  HealthcheckInstruction,
  Instruction,
  InstructionFields,
  OnbuildInstruction,
  Pair,
  RunInstruction,
} from './instruction.js'
export { interpret, interpretAll } from './interpret.js'
export { parseJSONForm } from './json-form.js'
export { parseDockerfile } from './parse.js'
export { parsePorts, splitPort } from './ports.js'
export { isRemote, remoteGitRef } from './remote-source.js'
export { parseDevice, parseGoBoolean } from './run.js'
export { invalidAt, quote } from './source.js'
export { distance, suggest } from './suggest.js'
export type { Heredoc, HeredocText, StoredBody, SyntaxNode } from './syntax.js'
export { splitWords } from './words.js'

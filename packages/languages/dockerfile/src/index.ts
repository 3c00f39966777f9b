/**
 * The Dockerfile language: syntax, meaning, words, `.dockerignore`.
 *
 * @module
 */

export type { ArgumentForm } from './arguments.js'
export { parseCSVLine } from './csv.js'
export { type DetectedDirective, detectDirective, detectSyntax, readDirectives } from './directives.js'
export { parseDuration } from './duration.js'
export { type Expansion, expand, expandWord, expandWords } from './expand.js'
export type { ExpandOptions } from './expander.js'
export { type FieldsOptions, fileFields, instructionFields, type SyntaxFields } from './fields.js'
export { type DeclaredFlags, type FlagType, type FlagValues, readFlagValues } from './flag-values.js'
export { type GitRef, type GitURL, parseGitRef, parseGitURL } from './git-ref.js'
export { hasWildcards, matchGlob } from './glob.js'
export { DOCKERFILE, type Grammar } from './grammar.js'
export { chompHeredoc, findHeredocs, type HeredocWord, parseHeredocWord } from './heredoc.js'
export { cleanPath, type IgnoreMatcher, ignoreMatcher, isIgnored, parseIgnore } from './ignore.js'
export type {
  AddInstruction,
  ArgInstruction,
  CmdInstruction,
  CommandLine,
  CopyInstruction,
  EntrypointInstruction,
  EnvInstruction,
  ExposeInstruction,
  FromInstruction,
  HealthcheckInstruction,
  InlineSource,
  Instruction,
  InstructionFields,
  LabelInstruction,
  MaintainerInstruction,
  OnbuildInstruction,
  Pair,
  RunInstruction,
  ShellInstruction,
  SourcePosition,
  StopsignalInstruction,
  TriggerFields,
  UserInstruction,
  VolumeInstruction,
  WorkdirInstruction,
} from './instruction.js'
export { INSTRUCTION_NAMES, interpret, interpretAll } from './interpret.js'
export { parseJSONForm } from './json-form.js'
export { type ParseOptions, parseDockerfile } from './parse.js'
export { type PortAndProtocol, parsePorts, splitPort } from './ports.js'
export { isRemote, remoteGitRef } from './remote-source.js'
export { type Device, parseDevice, parseGoBoolean } from './run.js'
export { invalidAt, type Place, quote } from './source.js'
export { distance, suggest } from './suggest.js'
export type {
  Directive,
  Dockerfile,
  EscapeCharacter,
  Heredoc,
  HeredocText,
  StoredBody,
  SyntaxNode,
  SyntaxWarning,
} from './syntax.js'
export { splitWords, type Word } from './words.js'

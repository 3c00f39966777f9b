/**
 * What the parser gives: the syntax of a Dockerfile, before anything is known of what an instruction means.
 *
 * @module
 */

/** What stands in a heredoc, as text. */
export interface HeredocText {
  /** Line ends as in the file. Bytes that are not UTF-8 are U+FFFD here and right in `contentRaw`. */
  readonly content: string
  /** In base64, only where it is not valid UTF-8. */
  readonly contentRaw?: string
}

/** What stands in a long heredoc, as it lies in a store. */
export interface StoredBody {
  readonly digest: string
  /** Bytes. */
  readonly size: number
}

/** An inline file: `<<EOF` and what follows up to the line `EOF`. Its body is text, or bytes, or in a store. */
export interface Heredoc extends Partial<HeredocText>, Partial<StoredBody> {
  readonly name: string
  /** False when a part of the word was quoted: variables in the body stay as they are. */
  readonly expand: boolean
  /** `<<-`: the consumer drops leading tabs where it wants to. */
  readonly chomp: boolean
  /** The number before `<<`; 0 when there is none. */
  readonly fd: number
  /** A body that is longer than the parser was to give as text. */
  readonly bytes?: Uint8Array
}

export type EscapeCharacter = '\\' | '`'

/** One instruction, as BuildKit's syntax tree has it. */
export interface SyntaxNode {
  /** The keyword as typed. */
  readonly cmd: string
  /** Words; of ENV and LABEL: name, value, `=` or nothing, three by three; of a shell form: one string. */
  readonly args: readonly string[]
  /** As written, quotes and escapes removed: `--from=build`. */
  readonly flags: readonly string[]
  /** The arguments were a JSON array. */
  readonly json: boolean
  readonly heredocs: readonly Heredoc[]
  /** Of ONBUILD: the instruction behind it; its lines are 0. */
  readonly sub?: SyntaxNode
  /** First and last line, from 1, bodies of heredocs included. */
  readonly start: number
  readonly end: number
  /** Where the keyword stands in its line, from 1, in characters. */
  readonly column: number
  /** The text with continuations joined. */
  readonly original: string
  /** The comment lines since the last instruction or empty comment, without `#` and blanks around. */
  readonly comments: readonly string[]
}

/** One `# key = value` at the head of the file. */
export interface Directive {
  /** Lower case: `syntax`, `escape` or `check`. */
  readonly name: string
  readonly value: string
  /** From 1. */
  readonly line: number
}

export interface SyntaxWarning {
  readonly message: string
  /** Where the instruction ends, the bodies of heredocs left out: BuildKit names that line. */
  readonly line: number
}

export interface Dockerfile {
  readonly instructions: readonly SyntaxNode[]
  readonly escape: EscapeCharacter
  readonly directives: readonly Directive[]
  readonly warnings: readonly SyntaxWarning[]
}

/**
 * The output of the parser: the syntax of a Dockerfile, without the meaning of its instructions.
 *
 * @module
 */

/** The body of a heredoc, as text. */
export interface HeredocText {
  /** Line ends as in the file. Bytes that are not UTF-8 are U+FFFD here and right in `contentRaw`. */
  readonly content: string
  /** In base64, only where it is not valid UTF-8. */
  readonly contentRaw?: string
}

/** The body of a long heredoc, as a blob in a store. */
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
  /** True for `<<-`: leading tabs are to be dropped, which is left to the consumer. */
  readonly chomp: boolean
  /** The number before `<<`; 0 when there is none. */
  readonly fd: number
  /** The body where it exceeds the parser's limit for text. */
  readonly bytes?: Uint8Array
}

export type EscapeCharacter = '\\' | '`'

/** One instruction, as BuildKit's syntax tree has it. */
export interface SyntaxNode {
  /** The keyword as typed. */
  readonly cmd: string
  /**
   * The words. For ENV and LABEL each pair is three words: name, value, and `=` or nothing. A shell form is one string.
   */
  readonly args: readonly string[]
  /** As written, quotes and escapes removed: `--from=build`. */
  readonly flags: readonly string[]
  /** Whether the arguments were a JSON array. */
  readonly json: boolean
  readonly heredocs: readonly Heredoc[]
  /** For ONBUILD: the instruction that it defers; its lines are 0. */
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

/**
 * The parser. It reads a file into the syntax of its instructions, as BuildKit does.
 *
 * It knows the form of each instruction, not its meaning: an unknown keyword is kept, and `interpret` refuses it.
 *
 * Spec: https://docs.docker.com/reference/dockerfile/#format and moby/buildkit frontend/dockerfile/parser
 *
 * @module
 */

import { type Arguments, parseArguments } from './arguments.js'
import { DirectiveReader } from './directives.js'
import { type Command, splitCommand } from './flags.js'
import { DOCKERFILE, type Grammar } from './grammar.js'
import { findHeredocs, type HeredocWord, heredocText, readHeredoc } from './heredoc.js'
import { commentOf, joinLines, LineReader, type LogicalLine, locate } from './lines.js'
import { encodeSource, firstUnprintable, quote, withoutMark } from './source.js'
import { trim, trimStart } from './spaces.js'
import type { Directive, Dockerfile, EscapeCharacter, Heredoc, SyntaxNode, SyntaxWarning } from './syntax.js'

export interface ParseOptions {
  /** The name of the file in messages; `Dockerfile` unless given. */
  readonly file?: string
  /** The language; {@link DOCKERFILE} unless said. */
  readonly grammar?: Grammar
  /**
   * How many bytes of heredocs one instruction may have as text, all together; no limit unless given. A heredoc that
   * exceeds the rest has its body as `bytes`, a view of the source.
   */
  readonly heredocLimit?: number
}

/** ONBUILD within ONBUILD is refused later; the limit only keeps it from exhausting the stack here. */
const NESTING_LIMIT = 10

/**
 * Parses a Dockerfile.
 *
 * ```ts
 * const { instructions } = parseDockerfile('FROM debian\nRUN apt-get update\n')
 * ```
 *
 * @param source - text, or bytes in UTF-8; other bytes are allowed in comments and bodies of heredocs only
 * @throws {@link ToolError} `DOCKERFILE_INVALID` (or what the grammar says) as `FILE:LINE:COLUMN: ...`
 */
export function parseDockerfile(source: string | Uint8Array, options: ParseOptions = {}): Dockerfile {
  const bytes = withoutMark(typeof source === 'string' ? encodeSource(source) : source)
  return new Parser(bytes, options).parse()
}

class Parser {
  readonly #file: string
  readonly #grammar: Grammar
  readonly #reader: LineReader
  readonly #directives = new DirectiveReader()
  readonly #heredocLimit: number
  readonly #instructions: SyntaxNode[] = []
  readonly #warnings: SyntaxWarning[] = []
  #escape: EscapeCharacter = '\\'
  #comments: string[] = []

  constructor(source: Buffer, options: ParseOptions) {
    this.#file = options.file ?? 'Dockerfile'
    this.#grammar = options.grammar ?? DOCKERFILE
    this.#heredocLimit = options.heredocLimit ?? Number.POSITIVE_INFINITY
    this.#reader = new LineReader(source, { file: this.#file, code: this.#grammar.code })
  }

  parse(): Dockerfile {
    for (let line = this.#reader.read(); line !== undefined; line = this.#reader.read()) this.#line(line)
    if (this.#instructions.length === 0) throw this.#reader.error('no instruction in the file')
    return {
      instructions: this.#instructions,
      escape: this.#escape,
      directives: this.#directives.found,
      warnings: this.#warnings,
    }
  }

  #line(first: string): void {
    if (this.#directive(first)) return
    if (commentOf(first) === undefined) {
      const logical = joinLines(first, this.#reader, this.#escape)
      if (logical.text !== '' || logical.continued) this.#add(logical)
      return
    }
    // As in BuildKit, the text of an indented comment begins with its `#`, so that it describes nothing.
    const comment = trim(first.slice(1))
    if (comment === '') this.#comments = []
    else this.#comments.push(comment)
  }

  #directive(line: string): boolean {
    if (!this.#grammar.directives) return false
    const read: Directive | string | undefined = this.#directives.read(trimStart(line), this.#reader.line)
    if (typeof read === 'string') throw this.#reader.error(read)
    if (read?.name !== 'escape') return read !== undefined
    if (read.value !== '\\' && read.value !== '`') {
      throw this.#reader.error(`the escape character ${quote(read.value)} is neither \\ nor \``)
    }
    this.#escape = read.value
    return true
  }

  #add(line: LogicalLine): void {
    this.#checkText(line)
    if (line.gap) this.#warnings.push({ message: 'an empty line inside a continued one', line: line.end })
    const node = this.#node(line, { offset: 0, depth: 0 })
    const heredocs = this.#heredocs(line, node)
    this.#instructions.push({ ...node, heredocs, end: this.#reader.line, comments: this.#comments })
    this.#comments = []
  }

  #checkText(line: LogicalLine): void {
    const found = firstUnprintable(line.text)
    if (found !== undefined) throw this.#errorAt(line, found.offset, found.message)
  }

  #errorAt(line: LogicalLine, offset: number, message: string): Error {
    return this.#reader.error(message, locate(line, offset))
  }

  /** The instruction that begins at `offset` of the line. */
  #node(line: LogicalLine, { offset, depth }: { offset: number; depth: number }): SyntaxNode {
    const original = line.text.slice(offset)
    const command = splitCommand(original)
    const place = locate(line, offset + command.cmdOffset)
    const base = {
      cmd: command.cmd,
      flags: command.flags.map(flag => flag.text),
      heredocs: [],
      start: depth === 0 ? line.start : 0,
      end: depth === 0 ? line.end : 0,
      column: place.column,
      original,
      comments: [],
    }
    if (command.cmd.toLowerCase() !== this.#grammar.wrapper) {
      return { ...base, ...this.#arguments(line, command, offset) }
    }
    if (command.args === '') return { ...base, args: [], json: false }
    if (depth >= NESTING_LIMIT) throw this.#errorAt(line, offset, `${command.cmd} nests too deep`)
    const sub = this.#node(line, { offset: offset + command.argsOffset, depth: depth + 1 })
    // As in BuildKit, the original text of the deferred instruction ends with its last word.
    return { ...base, args: [], json: false, sub: { ...sub, original: command.args } }
  }

  #arguments(line: LogicalLine, command: Command, offset: number): Arguments {
    const form = this.#grammar.forms.get(command.cmd.toLowerCase())
    if (form === undefined) return { args: [''], json: false }
    return parseArguments(form, command.args, {
      name: command.cmd.toUpperCase(),
      escape: this.#escape,
      trailing: this.#grammar.trailing,
      fail: (message, at) => {
        throw this.#errorAt(line, offset + command.argsOffset + at, message)
      },
    })
  }

  #heredocs(line: LogicalLine, node: SyntaxNode): Heredoc[] {
    const opener = node.sub ?? node
    if (opener.json || !this.#grammar.heredocs.has(opener.cmd.toLowerCase())) return []
    let left = this.#heredocLimit
    return findHeredocs(line.text).map(word => {
      const body = this.#heredocBytes(line, word)
      if (body.length > left) return { ...word, bytes: body }
      left -= body.length
      return { ...word, ...heredocText(body) }
    })
  }

  #heredocBytes(line: LogicalLine, word: HeredocWord): Buffer {
    const body = readHeredoc(word, this.#reader)
    if (body !== undefined) return body
    const offset = Math.max(line.text.indexOf('<<'), 0)
    throw this.#errorAt(
      line,
      offset,
      `the heredoc ${quote(word.name)} is not closed by a line with just that word`,
    )
  }
}

// The syntax: lines, words, heredocs, directives, and where errors point.
import { ToolError } from '@pipelayer/errors'
import fc from 'fast-check'
import t from 'tap'
import {
  detectSyntax,
  findHeredocs,
  instructionFields,
  interpretAll,
  parseDockerfile,
  parseJSONForm,
  readDirectives,
  type SyntaxNode,
  splitWords,
} from '../src/index.js'

/** The fields of the first instruction that a row names. */
function pick(node: SyntaxNode | undefined, wanted: object): object {
  return Object.fromEntries(Object.entries(node ?? {}).filter(([key]) => key in wanted))
}

t.test('one instruction', async t => {
  const rows: readonly { text: string; want: object; why: string }[] = [
    {
      text: 'FROM a',
      want: { cmd: 'FROM', args: ['a'], start: 1, end: 1, column: 1 },
      why: 'the plain case',
    },
    { text: '\ufeffFROM a', want: { cmd: 'FROM' }, why: 'a byte order mark' },
    {
      text: '  from a  AS  b ',
      want: { cmd: 'from', args: ['a', 'AS', 'b'], column: 3 },
      why: 'keyword as typed',
    },
    { text: 'FROM a\r\n', want: { args: ['a'], original: 'FROM a' }, why: 'CRLF' },
    { text: 'FROM\u00a0a', want: { cmd: 'FROM\u00a0a' }, why: 'a keyword ends at ASCII blanks only' },
    {
      text: 'RUN a \\\n  b',
      want: { args: ['a   b'], start: 1, end: 2 },
      why: 'joined with nothing between',
    },
    { text: 'RUN a \\  \t\n b', want: { args: ['a  b'] }, why: 'blanks behind the escape character' },
    { text: 'RUN a \\\\\n', want: { args: ['a \\\\'] }, why: 'two backslashes continue nothing' },
    {
      text: 'RUN a\\\n# c\n  # d\n\nb',
      want: { args: ['ab'], end: 5 },
      why: 'comments and blank lines inside',
    },
    { text: 'RUN a \\', want: { args: ['a'], end: 1 }, why: 'the file ends in a continuation' },
    { text: '\\\nFROM a', want: { cmd: 'FROM', start: 1, end: 2 }, why: 'a line that only continues' },
    {
      text: '# escape=`\nRUN a `\n b\\',
      want: { args: ['a  b\\'], start: 2 },
      why: 'another escape character',
    },
    { text: '# x\n# escape=`\nRUN a `', want: { args: ['a `'] }, why: 'too late for a directive' },
    {
      text: '#\n# b\n\n# c\nFROM a',
      want: { comments: ['b', 'c'] },
      why: 'comments above, over blank lines',
    },
    {
      text: 'COPY --from=x --chmod="6 0" a b',
      want: { flags: ['--from=x', '--chmod=6 0'] },
      why: 'quotes in flags',
    },
    { text: 'RUN -- --x', want: { flags: [], args: ['--x'] }, why: '-- ends the flags' },
    { text: 'RUN --a\\ b c', want: { flags: ['--a b'], args: ['c'] }, why: 'escapes in flags' },
    { text: 'RUN ["a", "b"]', want: { args: ['a', 'b'], json: true }, why: 'the JSON form' },
    { text: "RUN ['a']", want: { args: ["['a']"], json: false }, why: 'what is no JSON is text' },
    { text: 'RUN ["c:\\x"]', want: { args: ['["c:\\x"]'], json: false }, why: 'a wrong JSON escape is text' },
    { text: 'CMD []', want: { args: [], json: true }, why: 'an empty array' },
    { text: 'CMD ["\\ud800"]', want: { args: ['\ufffd'], json: true }, why: 'half a character' },
    { text: 'COPY ["a b", "c"]', want: { args: ['a b', 'c'], json: true }, why: 'names with blanks' },
    { text: 'ENV a=1 b="2 3"', want: { args: ['a', '1', '=', 'b', '"2 3"', '='] }, why: 'pairs keep quotes' },
    {
      text: 'ENV a b=c d',
      want: { args: ['a', 'b=c d', ''] },
      why: 'the old form: all the rest is the value',
    },
    { text: 'LABEL "a b"=c', want: { args: ['"a b"', 'c', '='] }, why: 'a quoted name' },
    { text: 'ARG a b="c d"', want: { args: ['a', 'b="c d"'] }, why: 'words' },
    {
      text: 'HEALTHCHECK --retries=1 CMD ["a"]',
      want: { args: ['CMD', 'a'], json: true },
      why: 'word and command',
    },
    { text: 'HEALTHCHECK CMD a  b', want: { args: ['CMD', 'a  b'] }, why: 'inner blanks stay' },
    { text: 'NOPE a b', want: { cmd: 'NOPE', args: [''] }, why: 'kept, for interpret to refuse' },
    { text: 'ONBUILD', want: { args: [], sub: undefined }, why: 'nothing held back' },
  ]
  for (const { text, want, why } of rows) {
    t.same(
      pick(parseDockerfile(text).instructions[0], want),
      JSON.parse(JSON.stringify(want)),
      `${why}: ${text}`,
    )
  }
})

t.test('ONBUILD holds an instruction', async t => {
  const [node] = parseDockerfile('ONBUILD COPY --chown=1 <<EOF /x\n\ta\nEOF\n').instructions
  t.match(node, { args: [], start: 1, end: 3, sub: { cmd: 'COPY', flags: ['--chown=1'], start: 0, end: 0 } })
  t.match(node?.heredocs, [{ name: 'EOF', content: '\ta\n' }], 'the body belongs to the line')
})

t.test('heredocs', async t => {
  const rows: readonly { text: string; want: readonly object[]; why: string }[] = [
    {
      text: 'RUN <<E\na\nE\n',
      want: [{ name: 'E', fd: 0, expand: true, chomp: false, content: 'a\n' }],
      why: 'plain',
    },
    { text: 'RUN <<E\nE', want: [{ name: 'E', content: '' }], why: 'empty, at the end of the file' },
    {
      text: 'RUN <<-E\n\ta\n\tE\n',
      want: [{ chomp: true, content: '\ta\n' }],
      why: 'tabs before the word; body as it is',
    },
    { text: 'RUN <<"E F"\na\nE F\n', want: [{ name: 'E F', expand: false }], why: 'quoted with a blank' },
    { text: "RUN <<E'F'\nEF\n", want: [{ name: 'EF', expand: false }], why: 'a part quoted' },
    { text: 'RUN <<E\\F\nEF\n', want: [{ name: 'EF', expand: true }], why: 'an escape is no quote' },
    { text: 'RUN <<E\\"F\nE"F\n', want: [{ name: 'E"F', expand: true }], why: 'nor is an escaped quote' },
    {
      text: 'RUN 3<<A 4<<B\n1\nA\n2\nB\n',
      want: [
        { fd: 3, content: '1\n' },
        { fd: 4, content: '2\n' },
      ],
      why: 'two, in order',
    },
    { text: 'RUN << E\nE\n', want: [{ name: 'E' }], why: 'a blank behind <<' },
    { text: 'RUN <<E\r\na\r\nE\r\n', want: [{ content: 'a\r\n' }], why: 'CRLF stays in the body' },
    { text: 'RUN <<$E\n$E\n', want: [{ name: '$E' }], why: 'a name is not expanded' },
    { text: 'RUN <<E\n#c\\\n\nE\n', want: [{ content: '#c\\\n\n' }], why: 'no comments, no continuations' },
    { text: "RUN echo it's <<E\n", want: [], why: 'an open quote is for the shell' },
    { text: 'RUN cat <<<E', want: [], why: 'a here-string' },
    { text: 'RUN \\<<E', want: [], why: 'escaped' },
    { text: 'RUN ["<<E"]', want: [], why: 'not in the JSON form' },
    { text: 'CMD <<E', want: [], why: 'RUN, COPY and ADD only' },
  ]
  for (const { text, want, why } of rows) {
    const heredocs = parseDockerfile(text).instructions[0]?.heredocs ?? []
    t.equal(heredocs.length, want.length, why)
    t.match(heredocs, want, why)
  }
  t.same(
    findHeredocs('RUN a <<- B').map(one => one.name),
    ['B'],
  )
})

t.test('errors point at the place', async t => {
  const long = 'x'.repeat(65_536)
  const rows: readonly { text: string | Buffer; message: string | RegExp; why: string }[] = [
    { text: '', message: 'F:1:1: no instruction in the file', why: 'an empty file' },
    { text: '# a\n\n', message: /^F:2:1: no instruction/, why: 'only comments' },
    { text: '# escape=x\nFROM a', message: /^F:1:1: the escape character "x"/, why: 'neither of the two' },
    {
      text: '# escape=`\n# escape=`',
      message: /^F:2:1: the directive escape is given twice/,
      why: 'BuildKit too',
    },
    { text: 'FROM a\n  RUN ["a", 1]', message: /^F:2:7: .*no string/, why: 'indented, the array itself' },
    { text: 'FROM a\nENV a=1 \\\n   b', message: /^F:3:4: no "=" in "b"/, why: 'in a continued line' },
    { text: 'LABEL x', message: /^F:1:7: LABEL "x" needs a value/, why: 'the old form without a value' },
    { text: 'ONBUILD ENV x', message: /^F:1:13: /, why: 'inside ONBUILD' },
    { text: 'HEALTHCHECK CMD [1]', message: /^F:1:17: /, why: 'behind the word' },
    { text: 'RUN <<E\na', message: /^F:1:5: the heredoc "E" is not closed/, why: 'where it is opened' },
    {
      text: `FROM a\nRUN ${long}`,
      message: /^F:2:1: a line has more than 65535 bytes/,
      why: 'the limit of BuildKit',
    },
    { text: 'FROM a\nRUN a\0b', message: /^F:2:6: a NUL byte/, why: 'no instruction can carry it' },
    {
      text: Buffer.from('FROM a\nRUN \xe9', 'latin1'),
      message: /^F:2:5: byte 0xe9 is not UTF-8/,
      why: 'Latin-1',
    },
    {
      text: Buffer.from('\ufeffFROM a', 'utf16le'),
      message: /^F:1:1: .*UTF-16/,
      why: 'saved by another editor',
    },
    {
      text: `ONBUILD ${'ONBUILD '.repeat(99)}RUN a`,
      message: /nests too deep/,
      why: 'no stack is exhausted',
    },
  ]
  for (const { text, message, why } of rows) {
    t.throws(() => parseDockerfile(text, { file: 'F' }), { code: 'DOCKERFILE_INVALID', message }, why)
  }
  t.same(parseDockerfile(`FROM a\nRUN ${'x'.repeat(65_531)}`).instructions.length, 2, 'exactly at the limit')
})

t.test('bytes that are not UTF-8 do no harm where nobody reads them', async t => {
  const bytes = Buffer.from('# \xe9\nCOPY <<E /\n\xe9\0\nE\n', 'latin1')
  const [node] = parseDockerfile(bytes).instructions
  t.equal(node?.heredocs[0]?.contentRaw, Buffer.from('\xe9\0\n', 'latin1').toString('base64'))
})

t.test('directives', async t => {
  const rows: readonly { text: string; want: string | undefined; why: string }[] = [
    { text: '# syntax = a/b:1 // x\nFROM c', want: 'a/b:1', why: 'up to the first blank' },
    { text: '#!/bin/x\n#Syntax=a\n', want: 'a', why: 'behind a shebang, any case' },
    { text: '//syntax=a', want: 'a', why: 'another comment sign' },
    { text: '{"syntax": "a"}', want: 'a', why: 'a JSON file' },
    { text: '{"syntax": 1}', want: undefined, why: 'no text' },
    { text: '# other=1\n# syntax=a', want: undefined, why: 'an unknown one ends them' },
    { text: '\n# syntax=a', want: undefined, why: 'a blank line ends them' },
  ]
  for (const { text, want, why } of rows) t.equal(detectSyntax(text)?.reference, want, why)
  t.same(
    readDirectives('#check=a\n# ESCAPE = ` \n#check=b\n#syntax=c').map(one => one.name),
    ['check', 'escape'],
  )
  t.match(parseDockerfile('# check=skip=all\nFROM a').directives, [
    { name: 'check', value: 'skip=all', line: 1 },
  ])
})

t.test('words', async t => {
  const rows: readonly { text: string; want: readonly string[]; why: string }[] = [
    { text: `a 'b c' "d e"f`, want: ['a', `'b c'`, `"d e"f`], why: 'quotes stay' },
    { text: 'a\\ b c\\', want: ['a\\ b', 'c'], why: 'escapes stay, one at the end goes' },
    { text: `'a\\' b`, want: [`'a\\'`, 'b'], why: 'single quotes know no escape' },
    { text: '"a\\" b', want: ['"a\\" b'], why: 'double quotes do' },
    { text: '"" a', want: ['""', 'a'], why: 'an empty quoted word' },
  ]
  for (const { text, want, why } of rows)
    t.same(
      splitWords(text, '\\').map(word => word.text),
      want,
      why,
    )
})

t.test('the JSON form with something behind it', async t => {
  t.same(parseJSONForm('["a]"] # x'), 'other')
  t.same(parseJSONForm('["a]", "\\"]"] # x', 'ignore'), ['a]', '"]'])
})

/** Text that is mostly instructions, mangled. */
const mangled = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        'FROM a',
        'RUN ',
        'ENV ',
        'COPY ',
        '<<E',
        'E',
        '\n',
        '\\\n',
        '[',
        '"',
        "'",
        '--x=',
        '$',
        '${',
        '}',
      ),
      fc.constantFrom(
        'ONBUILD ',
        'HEALTHCHECK ',
        'LABEL ',
        '# escape=`\n',
        '`\n',
        '=',
        '/',
        '\0',
        '\ud800',
        ':-',
        '%',
      ),
      fc.string(),
    ),
  )
  .map(parts => parts.join(''))

t.test('random input gives a value or a ToolError', async t => {
  const survives = (source: string | Uint8Array): void => {
    try {
      const { instructions, escape: escapeChar } = parseDockerfile(source)
      interpretAll(instructions.map(node => instructionFields(node, { file: 'F', escape: escapeChar })))
    } catch (error) {
      if (!(error instanceof ToolError) || !/^\S+:\d+:\d+: /.test(error.message)) throw error
    }
  }
  fc.assert(fc.property(fc.oneof(mangled, fc.uint8Array({ maxLength: 300 })), survives), { numRuns: 2000 })
  t.pass()
})

// Both dialects of the Kubefile, how they are told apart, and what each refuses.
import { ToolError } from '@pipelayer/errors'
import fc from 'fast-check'
import t from 'tap'
import { type Dialect, dialectOf, parseKubefile, parseRawKubefile } from '../src/index.js'

t.test('which dialect a file is in', async t => {
  const rows: readonly { text: string; want: Dialect; why: string }[] = [
    {
      text: 'FROM a\nCOPY b c\nRUN d\nCMD e\nARG f=g',
      want: 'kubefile-classic',
      why: 'all that the old one has',
    },
    { text: 'from a\nlaunch b', want: 'kubefile', why: 'any case' },
    { text: 'FROM a\nENV b=c', want: 'kubefile', why: 'a word of Dockerfiles that the old one lacks' },
    { text: 'FROM a\nCMD ["b"] # c', want: 'kubefile', why: 'a JSON array' },
    { text: 'FROM a\nCMD [ -f b ]', want: 'kubefile-classic', why: 'brackets of the shell' },
    { text: 'FROM --platform=b a', want: 'kubefile', why: 'a flag' },
    {
      text: 'FROM a\nRUN b \\\napp install',
      want: 'kubefile-classic',
      why: 'a word inside a continued line',
    },
    { text: 'FROM a\nNOPE b', want: 'kubefile-classic', why: 'unknown to both' },
  ]
  for (const { text, want, why } of rows) t.equal(dialectOf(text), want, why)
})

t.test('the classic dialect', async t => {
  const rows: readonly { text: string; want: object; why: string }[] = [
    { text: 'copy  a   b', want: { name: 'COPY', form: 'words', args: ['a', 'b'] }, why: 'blanks' },
    { text: 'COPY "a b"', want: { args: ['"a', 'b"'] }, why: 'no quoting' },
    { text: 'RUN echo "a  b" $x', want: { form: 'shell', args: ['echo "a  b" $x'] }, why: 'one text' },
    { text: 'RUN --x', want: { args: ['--x'], flags: [] }, why: 'no flags' },
    { text: 'RUN <<E', want: { args: ['<<E'] }, why: 'no heredocs' },
    { text: 'CMD a \\\n# b\n\n  c', want: { form: 'shell', args: ['a   c'] }, why: 'continued' },
    {
      text: 'ARG a=1, b = 2 ,c',
      want: { form: 'words', args: ['a=1', 'b=2', 'c'] },
      why: 'split at commas, trimmed',
    },
  ]
  for (const { text, want, why } of rows) {
    const list = parseKubefile(`# escape=\`\nFROM x\n  # indented\n${text}\n`, {
      dialect: 'kubefile-classic',
    })
    t.equal(list.length, 2, why)
    t.match(list[1], { ...want, dialect: 'kubefile-classic', source: { line: 4 } }, why)
  }
})

t.test('what the classic dialect refuses', async t => {
  const rows: readonly { text: string; message: RegExp; why: string }[] = [
    { text: 'FROM', message: /^K:1:1: FROM needs an argument/, why: 'crashed the old parser' },
    {
      text: 'FROM a\n RUM b',
      message: /^K:2:2: "RUM" is not one of .* \(did you mean RUN\?\)/,
      why: 'failed without a word',
    },
    {
      text: 'FROM a # b',
      message: /^K:1:1: FROM takes an image, here are 3 words/,
      why: 'no comments behind',
    },
    { text: 'FROM a\nCOPY b', message: /^K:2:1: COPY takes a source and a destination/, why: 'crashed' },
    { text: 'FROM a\nCOPY b c d', message: /here are 3 words/, why: 'was ignored' },
    { text: 'FROM a\nCOPY b x/../../c', message: /could leave the image/, why: 'wrote outside' },
    { text: 'FROM a\nARG b-c=d', message: /"b-c" is no name/, why: '' },
    { text: 'FROM a\nARG b=1,', message: /"" is no name/, why: '' },
    { text: 'FROM a\nCMD ["b"]', message: /newer dialect/, why: 'went to the shell as it stood' },
    { text: 'COPY a b', message: /^K:1:1: no FROM/, why: '' },
    { text: 'COPY a b\nFROM c', message: /^K:1:1: COPY stands before FROM/, why: '' },
    { text: 'FROM a\nFROM b', message: /^K:2:1: a second FROM/, why: '' },
    { text: 'FROM a\nRUN \0', message: /^K:2:5: a NUL byte/, why: '' },
    { text: '# a', message: /no instruction/, why: '' },
    {
      text: `FROM a\nRUN ${'x'.repeat(70_000)}`,
      message: /^K:2:1: a line has more/,
      why: 'ended the file silently',
    },
  ]
  for (const { text, message, why } of rows) {
    const parse = (): unknown => parseKubefile(text, { file: 'K', dialect: 'kubefile-classic' })
    t.throws(parse, { code: 'KUBEFILE_INVALID', message }, `${why}: ${text.slice(0, 40)}`)
  }
})

t.test('the newer dialect', async t => {
  const rows: readonly { text: string; want: object; why: string }[] = [
    {
      text: 'APP b local://c http://d',
      want: { form: 'words', args: ['b', 'local://c', 'http://d'] },
      why: '',
    },
    {
      text: 'APPCMDS a ["b c", "d"]',
      want: { form: 'json', args: ['a', 'b c', 'd'] },
      why: 'a name, then an array',
    },
    { text: 'APPCMDS a b c', want: { form: 'shell', args: ['a', 'b c'] }, why: 'a name, then one text' },
    { text: 'APPENV a b=c "d=e f"', want: { form: 'words', args: ['a', 'b=c', '"d=e f"'] }, why: 'words' },
    { text: 'CMDS ["b c"]', want: { form: 'json', args: ['b c'] }, why: '' },
    {
      text: 'CMD ["b"] # c',
      want: { form: 'json', args: ['b'] },
      why: 'what is behind the array is dropped',
    },
    { text: 'CMD b c', want: { form: 'shell', args: ['b c'] }, why: '' },
    { text: 'LAUNCH a', want: { form: 'words', args: ['a'] }, why: '' },
    { text: 'ENV b c', want: { form: 'pairs', args: ['b', 'c', ''] }, why: 'as in a Dockerfile' },
    { text: 'KUBEVERSION >= 1.20, < 2', want: { args: ['>= 1.20, < 2'] }, why: 'one text' },
    {
      text: 'COPY --from=b ["c d", "e"]',
      want: { form: 'json', flags: ['--from=b'] },
      why: 'as in a Dockerfile',
    },
  ]
  for (const { text, want, why } of rows) {
    const list = parseKubefile(`FROM scratch\nAPP a local://a\n${text}\n`, { dialect: 'kubefile' })
    t.match(list[2], { ...want, dialect: 'kubefile' }, `${why}: ${text}`)
  }
})

t.test('what the newer dialect refuses', async t => {
  const rows: readonly { text: string; code?: string; message: RegExp; why: string }[] = [
    {
      text: 'EXPOSE 80',
      message: /^K:3:1: "EXPOSE" is no instruction of a Kubefile$/,
      why: 'of Dockerfiles only',
    },
    { text: 'LAUNCHES a', message: /did you mean LAUNCH/, why: '' },
    { text: 'LAUNCH a\nRUN b', message: /^K:3:1: LAUNCH has to be the last/, why: '' },
    { text: 'LAUNCH a\nLAUNCH a', message: /^K:4:1: a second LAUNCH/, why: '' },
    { text: 'CMDS a\nRUN b', message: /^K:3:1: CMDS has to be the last/, why: '' },
    { text: 'CMD b\nLAUNCH a', message: /^K:4:1: LAUNCH and CMD exclude each other/, why: '' },
    { text: 'LAUNCH b', message: /no application "b" stands above/, why: 'scratch brings none' },
    { text: 'APPENV b c=d', message: /no application "b" stands above/, why: '' },
    { text: 'APPENV a b', message: /"b" has to be name=value/, why: '' },
    { text: 'APPENV a', message: /needs an application and name=value/, why: '' },
    { text: 'APPCMDS a', message: /an application and a command/, why: '' },
    { text: 'APP b', message: /a name and a URL/, why: '' },
    { text: 'APP b file://c', message: /begins with none of/, why: '' },
    { text: 'APP --x b local://c', message: /APP has no flags/, why: '' },
    { text: 'CMDS', message: /CMDS needs an argument/, why: '' },
    {
      text: 'RUN --x a',
      code: 'DOCKERFILE_INVALID',
      message: /^K:3:5: unknown flag --x/,
      why: 'as in a Dockerfile',
    },
  ]
  for (const { text, code = 'KUBEFILE_INVALID', message, why } of rows) {
    const source = `FROM scratch\nAPP a local://a\n${text}`
    t.throws(() => parseKubefile(source, { file: 'K' }), { code, message }, `${why}: ${text}`)
  }
  t.equal(parseKubefile('FROM base\nLAUNCH b').length, 2, 'a base image can bring applications')
})

t.test('the raw parse is that of sealer', async t => {
  const rows: readonly { text: string; want: object; why: string }[] = [
    { text: 'ENV a=1 b', want: { cmd: 'env', args: ['a=1', 'b'] }, why: 'words' },
    { text: 'LABEL a=1 b=2', want: { cmd: 'label', args: ['a', '1', 'b', '2'] }, why: 'name, value' },
    { text: 'CMD a b', want: { cmd: 'cmd', args: ['a', 'b'] }, why: 'split' },
    { text: 'CMD ["a b"] # c', want: { args: ['a b'], json: true }, why: '' },
    { text: 'NOPE a', want: { cmd: 'nope', args: [''] }, why: 'kept' },
    { text: 'RUN a b', want: { cmd: 'run', args: ['a b'] }, why: 'one string' },
  ]
  for (const { text, want, why } of rows) t.match(parseRawKubefile(text)[0], want, `${why}: ${text}`)
})

t.test('random input gives a value or a ToolError', async t => {
  const part = fc.constantFrom(
    'FROM a\n',
    'APP ',
    'LAUNCH ',
    'CMD ',
    'ARG ',
    'COPY ',
    '["',
    '"]',
    '\\\n',
    '=',
    ',',
    '\0',
    '#',
    '\n',
  )
  const text = fc.array(fc.oneof(part, fc.string({ maxLength: 4 }))).map(parts => parts.join(''))
  const survives = (source: string | Uint8Array): void => {
    for (const dialect of [undefined, 'kubefile', 'kubefile-classic'] as const) {
      try {
        parseKubefile(source, dialect === undefined ? {} : { dialect })
      } catch (error) {
        if (!(error instanceof ToolError) || !/^Kubefile:\d+:\d+: /.test(error.message)) throw error
      }
    }
  }
  fc.assert(fc.property(fc.oneof(text, fc.uint8Array()), survives), { numRuns: 2000 })
  t.pass()
})

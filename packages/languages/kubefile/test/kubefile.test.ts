// sealer's dialects of the Kubefile, and what each refuses.
import { ToolError } from '@pipelayer/errors'
import fc from 'fast-check'
import t from 'tap'
import {
  type ApplicationSource,
  applicationType,
  kubefileMeaning,
  parseKubefile,
  parseListFlag,
  parseRawKubefile,
} from '../src/index.js'

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
    const parse = (): unknown => parseKubefile(source, { file: 'K', dialect: 'kubefile' })
    t.throws(parse, { code, message }, `${why}: ${text}`)
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

t.test('the kind of an application by its files', async t => {
  const dir = (name: string, ...files: string[]): ApplicationSource => ({ name, files })
  const rows: readonly { sources: ApplicationSource[]; want: string; why: string }[] = [
    { sources: [{ name: 'a.yaml' }, { name: 'B.YML' }], want: 'kube', why: 'YAML, any case' },
    { sources: [dir('d', 'a.sh', 'x/b.sh')], want: 'shell', why: 'scripts at any depth' },
    { sources: [{ name: 'a.sh' }, { name: 'b.yaml' }], want: '', why: 'mixed' },
    { sources: [{ name: 'a.yaml' }, { name: 'README' }], want: '', why: 'something else among them' },
    { sources: [dir('d', 'Chart.yaml', 'values.yaml', 'templates/a.yaml')], want: 'helm', why: 'a chart' },
    { sources: [dir('d', 'Chart.yaml', 'values.yaml')], want: 'kube', why: 'half a chart' },
    {
      sources: [{ name: 'c/Chart.yaml' }, { name: 'c/values.yaml' }, dir('c/templates/', 'a.yaml')],
      want: 'helm',
      why: 'a chart in its parts',
    },
    { sources: [dir('d')], want: '', why: 'nothing' },
  ]
  for (const { sources, want, why } of rows) t.equal(applicationType(sources), want, why)
})

t.test('what the newer dialect means', async t => {
  const options = {
    appRoot: 'application/apps',
    arch: 'arm64',
    source: (name: string) => (name === 'dir' ? { name, files: ['b.sh', 'sub/c.sh'] } : { name }),
  }
  const read = (text: string) => kubefileMeaning(parseKubefile(text, { dialect: 'kubefile' }), options)
  const lines = (text: string) => read(text).dockerfile.map(({ fields }) => [fields.name, ...fields.args])
  t.same(
    lines('FROM scratch\nAPP a local://x.yaml https://h/y.yaml?z\nKUBEVERSION >=1.19\nCNI c local://dir'),
    [
      ['FROM', 'scratch'],
      ['COPY', 'x.yaml', 'application/apps/a/'],
      ['ADD', 'https://h/y.yaml?z', 'application/apps/a/'],
      ['LABEL', 'app.alpha.sealer.io/supported-kube-version', '">=1.19"', '='],
      ['COPY', 'dir', 'application/apps/c/'],
      ['LABEL', 'cluster.alpha.sealer.io/kube-cni-c', '"true"', '='],
    ],
  )
  t.same(lines('FROM scratch\nCOPY ${ARCH}/$ARCH/$ARCHX b$ARCH')[1], ['COPY', 'arm64/arm64/$ARCHX', 'b$ARCH'])
  const got = read(
    'FROM scratch\nENV a="1 2" b=3\nAPP x local://dir local://y.sh\nAPPENV x k=v=w\nAPPENV x k=2\nAPPCMDS x ["one", "two"]\nLAUNCH x',
  )
  t.same(got.env, { a: '1 2', b: '3' })
  t.same(
    [...got.applications.values()],
    [{ name: 'x', type: 'shell', launchFiles: ['b.sh', 'sub/c.sh'], env: { k: '2' }, cmds: ['one', 'two'] }],
  )
  t.same(got.launch, ['x'])
  t.same(read('FROM scratch\nCMD ["a", "b c"]\nCMD d e').cmds, ['a', 'b c', 'd e'])
  const refused: readonly { text: string; message: RegExp }[] = [
    { text: 'FROM scratch\nAPP a local://a.bin', message: /^Kubefile:2:1: how "a" is started .* APPCMDS/ },
    { text: 'FROM base\nLAUNCH a', message: /^Kubefile:2:1: the image has no application "a"/ },
    { text: 'FROM base\nAPPENV a b=c', message: /no application "a"/ },
    { text: 'FROM base\nAPPCMDS a b', message: /no application "a"/ },
  ]
  for (const { text, message } of refused) t.throws(() => read(text), { code: 'KUBEFILE_INVALID', message })
  const inherited = [{ name: 'a', type: 'kube', launchFiles: [], env: { k: '1' }, cmds: [] }] as const
  const upon = kubefileMeaning(parseKubefile('FROM base\nAPPENV a l=2\nLAUNCH a'), { ...options, inherited })
  t.match(upon, { launch: ['a'] }, 'an application of the base')
  t.same(upon.applications.get('a')?.env, { k: '1', l: '2' })
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
    for (const dialect of [undefined, 'kubefile', 'kubefile-classic', 'sealos'] as const) {
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

t.test('flags with lists', async t => {
  const rows: readonly (readonly [text: string, want: unknown, why: string])[] = [
    ['--k=a,b', { name: 'k', values: ['a', 'b'] }, 'commas'],
    ['--k=[a, b]', { name: 'k', values: ['a', 'b'] }, 'brackets'],
    ['k="[a, b,c]"', { name: 'k', values: ['a', 'b', 'c'] }, 'quotes, no dashes'],
    ['--k=', { name: 'k', values: [''] }, 'nothing'],
    ['--k', undefined, 'no value'],
  ]
  for (const [text, want, why] of rows) t.same(parseListFlag(text), want, why)
  const [from] = parseKubefile('FROM --platform=[linux/arm64,linux/amd64] a\n', { dialect: 'kubefile' })
  t.same(from?.flags, ['--platform=linux/arm64'], 'of FROM the first counts')
})

// Tests of the meaning of instructions, and of those that are refused.
import t from 'tap'
import { parseDuration } from '../src/duration.js'
import {
  chompHeredoc,
  fileFields,
  type Instruction,
  instructionFields,
  interpret,
  interpretAll,
  parseDevice,
  parseDockerfile,
  type SyntaxFields,
  suggest,
} from '../src/index.js'

function fieldsOf(text: string): SyntaxFields[] {
  const { instructions, escape: escapeChar } = parseDockerfile(text, { file: 'F' })
  return instructions.map(node => instructionFields(node, { file: 'F', escape: escapeChar }))
}

function meaning(text: string): Instruction {
  const [fields] = fieldsOf(text)
  if (fields === undefined) throw new Error('no instruction')
  return interpret(fields)
}

t.test('what comments say', async t => {
  const text = `# A given
# A not this
# not this
ARG A B=1
# C: not this

# C  blanks
# c lower
FROM x AS C
  # D indented: none
ARG D
#E\ttab
#E  kept
ARG E
# F one
#
ARG F
ARG G # none
`
  const { instructions } = parseDockerfile(text)
  const fields = fileFields({ instructions, escape: '\\', directives: [], warnings: [] }, 'F')
  const found = interpretAll(fields.filter(({ args }) => args[1] !== '#')).flatMap(one => {
    if (one.kind === 'from') return [`stage ${one.description}`]
    return one.kind === 'arg' ? one.args.map(arg => `${arg.name} ${arg.description}`) : []
  })
  const want = ['A given', 'B undefined', 'stage lower', 'D undefined', 'E  kept', 'F undefined']
  t.same(found, want, 'of the lines right above the first that begins with the name')
})

t.test('what an instruction means', async t => {
  const rows: readonly { text: string; want: object; why: string }[] = [
    {
      text: 'FROM --platform=$P a AS B',
      want: { kind: 'from', base: 'a', name: 'b', platform: '$P' },
      why: 'lower case',
    },
    { text: 'FROM a', want: { kind: 'from', base: 'a' }, why: 'without a name' },
    {
      text: 'run a',
      want: { kind: 'run', shell: true, command: ['a'], network: 'default', mounts: [] },
      why: 'shell',
    },
    {
      text: 'RUN --mount=type=cache,target=/a --mount=type=tmpfs,target=/b --network=none --security=insecure ["a"]',
      want: {
        shell: false,
        command: ['a'],
        mounts: ['type=cache,target=/a', 'type=tmpfs,target=/b'],
        network: 'none',
        security: 'insecure',
      },
      why: 'all flags',
    },
    {
      text: 'RUN <<E\na\nE',
      want: { command: ['<<E'], files: [{ name: 'E', content: 'a\n' }] },
      why: 'a heredoc',
    },
    { text: 'CMD', want: { kind: 'cmd', shell: true, command: [] }, why: 'BuildKit takes it' },
    { text: 'ENTRYPOINT []', want: { kind: 'entrypoint', shell: false, command: [] }, why: 'clears it' },
    {
      text: 'COPY --from=x --chown=1:2 --chmod=0600 --link --parents --exclude=a --exclude=b s t d/',
      want: {
        kind: 'copy',
        from: 'x',
        chown: '1:2',
        chmod: '0600',
        link: true,
        parents: true,
        excludes: ['a', 'b'],
        sources: ['s', 't'],
        dest: 'd/',
      },
      why: 'all flags',
    },
    {
      text: 'COPY <<-A b <<"B" /d\n\t1\n\tA\n$2\nB',
      want: {
        sources: ['b'],
        heredocs: [
          { path: 'A', content: '1\n', expand: true },
          { path: 'B', content: '$2\n', expand: false },
        ],
      },
      why: 'tabs dropped, order kept',
    },
    {
      text: 'COPY <<E <<E /d/\n1\nE\n2\nE',
      want: { heredocs: [{ content: '1\n' }, { content: '2\n' }] },
      why: 'one name twice',
    },
    { text: 'COPY ["<<E", "/d"]', want: { sources: ['<<E'], heredocs: [] }, why: 'a path in the JSON form' },
    {
      text: 'ADD --keep-git-dir=true --checksum=sha256:1 --unpack=FALSE a b',
      want: { kind: 'add', keepGitDir: true, checksum: 'sha256:1', unpack: false, link: false },
      why: 'flags of ADD',
    },
    {
      text: 'ENV a=1 b=$a',
      want: {
        kind: 'env',
        pairs: [
          { name: 'a', value: '1' },
          { name: 'b', value: '$a' },
        ],
      },
      why: '',
    },
    {
      text: 'LABEL a "b c"',
      want: { kind: 'label', pairs: [{ name: 'a', value: '"b c"' }] },
      why: 'the old form',
    },
    {
      text: 'ARG a b= c=d=e',
      want: { args: [{ name: 'a' }, { name: 'b', value: '' }, { name: 'c', value: 'd=e' }] },
      why: '',
    },
    { text: 'EXPOSE 90 80/udp', want: { kind: 'expose', ports: ['80/udp', '90'] }, why: 'sorted' },
    { text: 'VOLUME ["/a b", " /c "]', want: { kind: 'volume', paths: ['/a b', '/c'] }, why: 'trimmed' },
    { text: 'WORKDIR /a b', want: { kind: 'workdir', path: '/a b' }, why: 'one argument, blanks and all' },
    { text: 'SHELL ["a", "-c"]', want: { kind: 'shell', shell: ['a', '-c'] }, why: '' },
    { text: 'MAINTAINER a <b@c>', want: { kind: 'maintainer', author: 'a <b@c>' }, why: '' },
    { text: 'STOPSIGNAL $S', want: { kind: 'stopsignal', signal: '$S' }, why: '' },
    { text: 'USER a:b', want: { kind: 'user', user: 'a:b' }, why: '' },
    {
      text: 'HEALTHCHECK none',
      want: { kind: 'healthcheck', test: ['NONE'], intervalNs: 0 },
      why: 'any case',
    },
    {
      text: 'HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=0 --start-interval=2ms --retries=3 CMD a b',
      want: {
        test: ['CMD-SHELL', 'a b'],
        intervalNs: 90e9,
        timeoutNs: 15e8,
        startPeriodNs: 0,
        startIntervalNs: 2e6,
        retries: 3,
      },
      why: 'nanoseconds',
    },
    { text: 'HEALTHCHECK CMD ["a"]', want: { test: ['CMD', 'a'], retries: 0 }, why: 'the JSON form' },
    {
      text: 'onbuild  COPY <<E /x\na\nE',
      want: { kind: 'onbuild', expression: 'COPY <<E /x\na\nE', trigger: { kind: 'copy', dest: '/x' } },
      why: 'heredocs belong to its text',
    },
  ]
  for (const { text, want, why } of rows) t.match(meaning(text), want, `${why}: ${text}`)
})

t.test('what is refused', async t => {
  const rows: readonly { text: string; message: RegExp; why: string }[] = [
    {
      text: 'FORM a',
      message: /^F:1:1: unknown instruction "FORM" \(did you mean FROM\?\)/,
      why: 'a misspelt word',
    },
    { text: 'X a', message: /^F:1:1: unknown instruction "X"$/, why: 'nothing is near' },
    { text: 'FROM', message: /FROM takes one argument/, why: '' },
    { text: 'FROM a b', message: /FROM takes one argument/, why: '' },
    { text: 'FROM a AS', message: /FROM takes one argument/, why: '' },
    { text: 'FROM a IS b', message: /^F:1:8: .*only AS can/, why: 'points at the word' },
    { text: 'FROM a AS 1', message: /^F:1:11: stage name "1"/, why: 'numbers are indexes' },
    { text: 'FROM --platfrom=x a', message: /did you mean --platform/, why: '' },
    { text: 'COPY --link --link a b', message: /--link is given twice/, why: '' },
    { text: 'COPY --link= a b', message: /value is missing/, why: '' },
    { text: 'COPY --link=yes a b', message: /neither true nor false/, why: '' },
    { text: 'COPY --from a b', message: /value is missing/, why: 'no value from the next word' },
    { text: 'COPY a', message: /at least two arguments/, why: '' },
    { text: 'COPY a <<E\nE', message: /cannot be the destination/, why: '' },
    { text: 'RUN', message: /RUN needs a command/, why: 'stricter than BuildKit' },
    {
      text: 'RUN --network=x a',
      message: /^F:1:15: --network "x" is not one of default, none, host/,
      why: '',
    },
    { text: 'RUN --mount=from=$x a', message: /has a variable/, why: 'BuildKit cannot either' },
    { text: 'RUN --mount=\\"a a', message: /no list of fields/, why: 'an open quote' },
    { text: 'ARG --x a', message: /unknown flag --x/, why: 'stricter than BuildKit' },
    { text: 'ARG =a', message: /name of ARG is empty/, why: '' },
    { text: 'ENV =a', message: /name of ENV is empty/, why: '' },
    { text: 'ENV', message: /needs at least one argument/, why: '' },
    { text: 'WORKDIR', message: /takes exactly one argument/, why: '' },
    { text: 'VOLUME [""]', message: /path of VOLUME is empty/, why: '' },
    { text: 'SHELL a', message: /JSON array/, why: '' },
    { text: 'SHELL []', message: /at least one/, why: '' },
    { text: 'HEALTHCHECK NONE a', message: /takes no arguments/, why: '' },
    { text: 'HEALTHCHECK CMD', message: /needs a command/, why: '' },
    { text: 'HEALTHCHECK a', message: /neither CMD nor NONE/, why: '' },
    { text: 'HEALTHCHECK --interval=1 CMD a', message: /no duration/, why: 'a number has no unit' },
    { text: 'HEALTHCHECK --interval=999us CMD a', message: /less than 1ms/, why: '' },
    { text: 'HEALTHCHECK --interval=-1s CMD a', message: /less than 1ms/, why: '' },
    { text: 'HEALTHCHECK --interval=9999h CMD a', message: /more than 104 days/, why: 'not exact in JSON' },
    { text: 'HEALTHCHECK --retries=-1 CMD a', message: /no number from 0/, why: '' },
    { text: 'ONBUILD', message: /needs an instruction/, why: '' },
    { text: 'ONBUILD FROM a', message: /^F:1:9: FROM cannot stand behind ONBUILD/, why: '' },
    { text: 'ONBUILD ONBUILD RUN a', message: /ONBUILD cannot stand behind/, why: '' },
    {
      text: 'ONBUILD RUM a',
      message: /^F:1:9: unknown instruction "RUM"/,
      why: 'found here, not in a child',
    },
  ]
  for (const { text, message, why } of rows) {
    t.throws(() => meaning(text), { code: 'DOCKERFILE_INVALID', message }, `${why}: ${text}`)
  }
  const files: readonly { text: string; message: RegExp }[] = [
    { text: 'ARG a\nRUN b\nFROM c', message: /^F:2:1: RUN stands before the first FROM/ },
    { text: 'ARG a', message: /^F:1:1: no FROM in the file/ },
  ]
  for (const { text, message } of files) t.throws(() => interpretAll(fieldsOf(text)), { message }, text)
  t.equal(interpretAll(fieldsOf('ARG a\nFROM b\nRUN c')).length, 3)
  const edited = { name: 'ENV', form: 'pairs', args: ['a', 'b'], flags: [] } as const
  t.throws(() => interpret(edited), { message: /Dockerfile:1:1: ENV has 2 arguments/ }, 'an edited record')
  const dashes = { name: 'RUN', form: 'shell', args: ['a'], flags: ['mount=x'] } as const
  t.throws(() => interpret(dashes), { message: /does not begin with --/ }, 'another edited record')
})

t.test('a NUL in a record that no parser wrote', async t => {
  const fields = { name: 'COPY', args: ['a', 'b'], flags: [], form: 'words' } as const
  const message = /^Dockerfile:1:1: "[^ ]*\\u0000[^ ]*" has a NUL byte, which no instruction can hold$/
  for (const part of [{ args: ['a\0b', 'c'] }, { flags: ['--chown=a\0b'] }])
    t.throws(() => interpret({ ...fields, ...part }), { code: 'DOCKERFILE_INVALID', message })
})

t.test('durations', async t => {
  const rows: readonly { text: string; want: bigint | undefined }[] = [
    { text: '1h2m3s4ms5us6ns', want: 3_723_004_005_006n },
    { text: '-1.5s', want: -1_500_000_000n },
    { text: '.5s', want: 500_000_000n },
    { text: '0', want: 0n },
    { text: '1µs', want: 1000n },
    { text: '0.3333333333333333333h', want: 1_199_999_999_999n },
    { text: '2562047h47m16.854775807s', want: 2n ** 63n - 1n },
    { text: '2562047h47m16.854775808s', want: undefined },
    { text: '', want: undefined },
    { text: '1', want: undefined },
    { text: '.s', want: undefined },
    { text: '1s ', want: undefined },
  ]
  for (const { text, want } of rows) t.equal(parseDuration(text), want, text)
})

t.test('devices, suggestions, chomping', async t => {
  t.same(parseDevice('"a=b,c",required=0'), { name: 'a=b,c', required: false })
  for (const text of ['a,b', 'name=a,name=b', 'required=x', '"a']) t.type(parseDevice(text), 'string', text)
  t.equal(suggest('x'.repeat(100), ['FROM']), undefined)
  const contentRaw = Buffer.from('\t\t\xff\n\ta', 'latin1').toString('base64')
  const chomped = chompHeredoc({
    name: 'E',
    expand: true,
    chomp: true,
    fd: 0,
    content: '\t\ta\n\tb\tc',
    contentRaw,
  })
  t.same(
    [chomped.content, Buffer.from(chomped.contentRaw ?? '', 'base64').toString('latin1')],
    ['a\nb\tc', '\xff\na'],
  )
})

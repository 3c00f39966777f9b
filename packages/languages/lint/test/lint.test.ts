// Tables for the rules of BuildKit, for rules that are skipped, and for errors that would stop a build.
import fs from 'node:fs'
import { fileFields, parseDockerfile } from '@pipelayer/dockerfile'
import { parseKubefile } from '@pipelayer/kubefile'
import t from 'tap'
import { lint, parseCheckOptions, RULE_NAMES } from '../src/index.js'
import { check, S } from './rows.js'

check('names, casing, comments', [
  { text: `${S}COPY a b\n`, want: [], why: 'nothing to say' },
  { text: 'from scratch as B\n', want: ['StageNameCasing:1'], why: 'upper case in a stage name' },
  { text: 'FROM scratch as b', want: ['FromAsCasing:1'], why: 'as and FROM' },
  {
    text: 'From scratch as b',
    want: ['ConsistentInstructionCasing:1'],
    why: 'a keyword in mixed case is for one rule',
  },
  { text: 'arg A=1\nFROM scratch\nUSER 1', want: [], why: 'ARG before FROM does not count' },
  {
    text: 'FROM scratch\nuser 1\n',
    want: ['ConsistentInstructionCasing:2'],
    why: 'at a draw upper case wins',
  },
  {
    text: 'FROM scratch AS a\nFROM scratch AS A',
    want: ['StageNameCasing:2', 'DuplicateStageName:2'],
    why: 'case makes no other name',
  },
  {
    text: 'FROM scratch AS context\nFROM scratch AS scratch',
    want: ['ReservedStageName:1', 'ReservedStageName:2'],
    why: 'reserved',
  },
  {
    text: `${S}COPY a \\\n\n  b <<E /\nx\nE\n`,
    want: ['NoEmptyContinuation:4'],
    why: 'the last line, before heredocs',
  },
  { text: `${S}COPY a \\\n# comment\n b`, want: [], why: 'a comment inside is allowed' },
  { text: '# x\nARG a\nFROM scratch', want: [], why: 'experimental rules are off' },
  {
    text: '# check=experimental=InvalidDefinitionDescription\n# x\nARG a\n#\n# b is\nFROM scratch AS b\n# a is\n# check=skip=all\nARG a b',
    want: ['InvalidDefinitionDescription:3'],
    why: 'a description begins with the name',
  },
])

check('FROM', [
  { text: 'ARG B\nFROM scratch$B', want: [], why: 'declared without a value' },
  {
    text: 'FROM scratch$TARGETARCHX',
    want: ['UndefinedArgInFrom:1'],
    why: 'not declared',
    origin: 'buildkit',
  },
  {
    text: 'ARG T\nFROM busybox:$T',
    want: ['InvalidDefaultArgInFrom:2'],
    why: 'no tag without build arguments',
    origin: 'buildkit',
  },
  {
    text: 'ARG T\nFROM busybox:$T',
    want: ['InvalidDefaultArgInFrom:2'],
    why: 'build arguments mend the build only',
    options: { buildArgs: new Map([['T', '1']]) },
  },
  {
    text: 'FROM --platform=$TARGETPLATFORM scratch',
    want: ['RedundantTargetPlatform:1'],
    why: 'the default',
  },
  {
    text: 'FROM --platform=${TARGETPLATFORM} scratch',
    want: ['RedundantTargetPlatform:1'],
    why: 'in braces',
  },
  { text: 'FROM --platform=$TARGETOS/$TARGETARCH scratch', want: [], why: 'two variables' },
  { text: 'FROM --platform=linux/arm64 scratch AS b-arm64', want: [], why: 'the stage is named after it' },
  {
    text: 'FROM --platform=linux/arm64 scratch AS b',
    want: ['FromPlatformFlagConstDisallowed:1'],
    why: 'a constant',
  },
  { text: 'FROM debian', want: ['PinnedBaseImage:1'], why: 'no tag' },
  { text: 'ARG V=latest\nFROM debian:$V', want: ['PinnedBaseImage:2'], why: 'latest, by a variable' },
  { text: `FROM debian@sha256:${'a'.repeat(64)}`, want: [], why: 'a digest' },
  { text: 'FROM debian:12 AS a\nFROM a', want: [], why: 'a stage' },
])

check('variables', [
  { text: `${S}COPY $a$a $b /`, want: ['UndefinedVar:2', 'UndefinedVar:2'], why: 'once for each word' },
  { text: 'FROM a:1\nCOPY $a /', want: ['UndefinedVar:2?'], why: 'the base image may set it' },
  { text: 'FROM a:1\nENV PATH=$PAHT:/x', want: ['UndefinedVar:2'], why: 'a misspelling is one on any base' },
  {
    text: 'FROM a:1\nWORKDIR $GOPATH',
    want: ['UndefinedVar:2?', 'WorkdirRelativePath:2'],
    why: 'near to PATH, but no misspelling',
  },
  { text: `${S}ARG a\nCOPY $a /`, want: [], why: 'declared without a value' },
  { text: `${S}COPY $a /\nARG a=1`, want: ['UndefinedVar:2'], why: 'declared too late' },
  {
    text: `${S}ENV a=1 b=$a`,
    want: ['UndefinedVar:2', 'EnvSameInstruction:2'],
    why: 'words of one ENV see what was before',
  },
  { text: `${S}ARG a=1 b=$a`, want: [], why: 'words of one ARG see one another' },
  { text: 'FROM scratch AS a\nENV x=1\nFROM a\nLABEL l=$x', want: [], why: 'a stage inherits' },
  {
    text: 'ARG x=1\nFROM scratch\nLABEL l=$x',
    want: ['UndefinedVar:3'],
    why: 'a global ARG is not in the stage',
  },
  { text: `${S}RUN echo $x`, want: [], why: 'the shell expands RUN' },
  {
    text: `${S}RUN --mount=type=cache,target=/$x true`,
    want: ['UndefinedVar:2'],
    why: 'mounts are expanded',
  },
  { text: `${S}EXPOSE $x 80`, want: [], why: 'BuildKit says nothing of EXPOSE' },
  {
    text: `${S}COPY <<E <<"Q" /\n$x '$y'\nE\n$z\nQ\n`,
    want: ['UndefinedVar:2', 'UndefinedVar:2'],
    why: 'bodies, but for quoted words',
    origin: 'buildkit',
  },
  {
    text: `${S}ARG a=$x`,
    want: [],
    why: 'a default that is not used',
    options: { buildArgs: new Map([['a', '1']]) },
  },
  {
    text: 'FROM scratch AS a\nONBUILD COPY $x /\nFROM a',
    want: ['UndefinedVar:3'],
    why: 'a trigger, where it is set off',
  },
])

check('instructions', [
  {
    text: `${S}CMD a\nENTRYPOINT ["b"]\nHEALTHCHECK CMD c`,
    want: ['JSONArgsRecommended:2'],
    why: 'shell form',
  },
  { text: 'FROM scratch AS a\nSHELL ["x"]\nFROM a\nCMD a', want: [], why: 'who sets SHELL means it' },
  {
    text: `${S}CMD ["a"]\nCMD ["b"]\nCMD ["c"]`,
    want: ['MultipleInstructionsDisallowed:2', 'MultipleInstructionsDisallowed:3'],
    why: 'those without effect',
  },
  {
    text: `${S}WORKDIR a\nWORKDIR b`,
    want: ['WorkdirRelativePath:2', 'AbsoluteWorkdir:3?'],
    why: 'the first, and the others',
  },
  {
    text: `${S}ENV a b\nLABEL c d\nONBUILD ENV e f`,
    want: ['LegacyKeyValueFormat:2', 'LegacyKeyValueFormat:3'],
    why: 'no equals sign',
  },
  {
    text: `${S}ENV API_KEY=a PUBLIC_KEY=b KEYS=c keyboard=d\nARG Auth SECRET_FILE`,
    want: ['SecretsUsedInArgOrEnv:2', 'SecretsUsedInArgOrEnv:3'],
    why: 'whole words, but harmless ones',
  },
  {
    text: `${S}EXPOSE 80/TCP 1:2 127.0.0.1:1:2/Udp`,
    want: ['ExposeProtoCasing:2', 'ExposeInvalidFormat:2', 'ExposeInvalidFormat:2', 'ExposeProtoCasing:2'],
    why: 'ports',
  },
  {
    text: `${S}COPY a/../x ./y/z /\nADD x https://h/x /\nCOPY --from=a x /`,
    want: ['CopyIgnoredFile:2', 'CopyIgnoredFile:2', 'CopyIgnoredFile:3'],
    why: 'ignored files of the context',
    options: { ignore: ['x', 'y'] },
    origin: 'buildkit',
  },
  {
    text: `${S}COPY . .\nADD ./ /x/\nCOPY a .`,
    want: ['CopyIgnoredFile:2', 'CopyIgnoredFile:3', 'CopyIgnoredFile:4'],
    why: 'the context itself is left out, too',
    options: { ignore: ['*'] },
    origin: 'buildkit',
  },
  {
    text: `${S}COPY x /`,
    want: [],
    why: 'exceptions make it hard to say',
    options: { ignore: ['x', '!x/y'] },
  },
])

check('skipping', [
  {
    text: `# check=skip=MaintainerDeprecated;error=true\n${S}MAINTAINER x\nCMD a`,
    want: ['JSONArgsRecommended:4!'],
    why: 'the directive, and errors',
  },
  {
    text: `${S}# check=skip=JSONArgsRecommended because\nCMD a\nFROM scratch\nCMD b`,
    want: ['JSONArgsRecommended:5'],
    why: 'a comment holds for one instruction',
  },
  {
    text: `${S}# check=skip\nCMD a`,
    want: ['JSONArgsRecommended:3'],
    why: 'a comment that is wrong is a comment',
  },
  {
    text: `${S}CMD a`,
    want: [],
    why: 'by option',
    options: { check: parseCheckOptions('skip=JSONArgsRecommended') },
  },
  {
    text: `# check=skip=all\n${S}CMD a`,
    want: ['JSONArgsRecommended:3'],
    why: "BuildKit's build argument beats the directive",
    options: { buildArgs: new Map([['BUILDKIT_DOCKERFILE_CHECK', '']]) },
  },
])

t.test('messages', async t => {
  const rows: readonly (readonly [text: string, message: string])[] = [
    [
      'FROM --platform=$BULIDPLATFORM scratch',
      "FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?)",
    ],
    [`${S}ENV PATH=$PAHT`, "Usage of undefined variable '$PAHT' (did you mean $PATH?)"],
    [`${S}WORKDIR a"b"`, 'Relative workdir "ab" can have unexpected results if the base image changes'],
    ['from scratch\nenv a b', '"env key=value" should be used instead of legacy "env key value" format'],
    [`${S}RUN apk add a`, 'apk add leaves its downloads in the layer: add "apk add --no-cache" to this RUN'],
    [
      `${S}RUN dnf install a`,
      'dnf install leaves its downloads in the layer: add "dnf clean all" to this RUN',
    ],
  ]
  for (const [text, message] of rows) {
    t.ok(
      lint(fileFields(parseDockerfile(text), 'F')).findings.some(one => one.message === message),
      message,
    )
  }
  const token = `ghp_${'x'.repeat(36)}`
  const { findings } = lint(fileFields(parseDockerfile(`${S}ENV A=${token}\nRUN x ${token}`), 'F'))
  t.equal(findings.length, 2)
  t.notMatch(JSON.stringify(findings), token, 'a secret is not repeated')
})

t.test('where a build would stop', async t => {
  const rows: readonly { text: string; findings: number; error: RegExp }[] = [
    { text: `${S}MAINTAINER a\nFOO`, findings: 1, error: /^F:3:1: unknown instruction/ },
    { text: 'RUN a\nFROM scratch', findings: 0, error: /before the first FROM/ },
    { text: 'FROM $a\nCMD x', findings: 2, error: /^F:1:1: base name \(\$a\) should not be blank/ },
    {
      text: 'FROM --platform=$a scratch\nCMD x',
      findings: 1,
      error: /empty platform value from expression \$a/,
    },
    { text: 'FROM A\nCMD x', findings: 1, error: /lower case/ },
    { text: `${S}CMD x\nLABEL a=\${x:?no}\nCMD y`, findings: 1, error: /^F:3:1: cannot expand .*: x: no/ },
    { text: `${S}EXPOSE 1:1 x`, findings: 1, error: /^F:2:1: .*neither a port nor a range/ },
    { text: `${S}EXPOSE 80/x`, findings: 0, error: /^F:2:1: invalid port/ },
  ]
  for (const { text, findings, error } of rows) {
    const result = lint(fileFields(parseDockerfile(text), 'F'))
    t.match(result.error?.message, error, text)
    t.equal(result.findings.length, findings, text)
  }
  const wrong = fileFields(parseDockerfile(`# check=skip=a;nothing\n${S}`), 'F')
  t.throws(() => lint(wrong), { code: 'CHECK_INVALID', message: /"nothing"/ })
  t.throws(() => parseCheckOptions('error=perhaps'), { code: 'CHECK_INVALID' })
  t.throws(() => lint(fileFields(parseDockerfile(S), 'F'), { platform: 'a/b/c/d' }), {
    code: 'PLATFORM_INVALID',
  })
})

t.test('Kubefiles', async t => {
  const rows: readonly { text: string; want: readonly string[] }[] = [
    {
      text: 'FROM kubernetes\nARG TOKEN=a,Version=1\ncopy .env etc\nCMD kubectl apply $x',
      want: [
        'PinnedBaseImage:1',
        'SecretsUsedInArgOrEnv:2',
        'ConsistentInstructionCasing:3',
        'SecretFileCopied:3',
      ],
    },
    {
      text: 'FROM a:1\nENV API_KEY k\nMAINTAINER x\nAPP a local://a.sh\nRUN apt-get update\nLAUNCH ["a"]',
      want: ['LegacyKeyValueFormat:2', 'SecretsUsedInArgOrEnv:2', 'MaintainerDeprecated:3'],
    },
  ]
  for (const { text, want } of rows) {
    const { findings, error } = lint(parseKubefile(text))
    t.equal(error, undefined)
    t.same(
      findings.map(({ rule, line }) => `${rule}:${line}`),
      want,
    )
  }
})

t.test('every rule is found by some row', async t => {
  const files = ['lint', 'plugins', 'practices', 'habits'].map(name => `test/${name}.test.ts`)
  const source = files.map(file => fs.readFileSync(file, 'utf8')).join('')
  t.same(
    RULE_NAMES.filter(name => !source.includes(`${name}:`) && !source.includes(`rule('${name}'`)),
    [],
  )
})

t.test('hostile files take no time', async t => {
  const names = Array.from({ length: 600 }, (_, index) => `${'n'.repeat(90)}${index}`)
  const files = [
    `${S}ENV ${names.map(name => `${name}=1`).join(' ')}\nLABEL ${'n'.repeat(50_000)}=$${'n'.repeat(9)}`,
    `${S}RUN ${'a|'.repeat(30_000)}`,
    `${S}RUN apt-get install ${'x '.repeat(30_000)}`,
    `${S}RUN ${'http://'.repeat(9_000)}`,
    `${S}RUN ${'-----BEGIN '.repeat(5_000)}`,
    `${S}ADD ${'*'.repeat(60_000)} x`,
  ]
  for (const text of files) lint(fileFields(parseDockerfile(text), 'F'), { ignore: ['*a*b*c'] })
  t.pass()
})

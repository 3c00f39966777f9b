// Which dialect a Kubefile is in, with its reason; the languages of other files; the types of images.
import { readFileSync } from 'node:fs'
import t from 'tap'
import {
  checkImageType,
  type Dialect,
  explainDialect,
  fileLanguage,
  LANGUAGE_OPTIONS,
  languageNamed,
  parseKubefile,
} from '../src/index.js'
import { WILD } from './wild.js'

t.test('Kubefiles as they are in the wild', async t => {
  const count = (dialect: Dialect): number => WILD.filter(file => file.dialect === dialect).length
  t.ok(count('sealos') >= 40 && count('kubefile') + count('kubefile-classic') >= 15, 'enough of each')
  for (const { name, text, dialect, line, reason } of WILD) {
    const found = explainDialect(text, name)
    t.match([found.dialect, found.line, found.reason], [dialect, line, reason], name)
    const list = parseKubefile(text, { file: name })
    t.ok(list.length > 1 && list.every(fields => fields.dialect === dialect), `${name}: parsed`)
  }
})

t.test('rules in their order', async t => {
  const rows: readonly { text: string; want: Dialect; why: string }[] = [
    {
      text: 'FROM a\nCOPY b c\nRUN d\nCMD e\nARG f=g',
      want: 'kubefile-classic',
      why: 'all that the old one has',
    },
    { text: 'from a\nlaunch b', want: 'kubefile', why: 'any case' },
    { text: 'FROM a\nENV b=c', want: 'sealos', why: 'a word of Dockerfiles that the old one lacks' },
    { text: 'FROM a\nCMD ["b"] # c', want: 'sealos', why: 'a JSON array' },
    { text: 'FROM a\nCMD [ -f b ]', want: 'kubefile-classic', why: 'brackets of the shell' },
    { text: 'FROM --platform=b a', want: 'sealos', why: 'a flag' },
    {
      text: 'FROM a\nRUN b \\\napp install',
      want: 'kubefile-classic',
      why: 'a word inside a continued line',
    },
    { text: 'FROM a\nNOPE b', want: 'kubefile-classic', why: 'unknown to all' },
    { text: 'FROM sealerio/a\nLABEL sealos.io.type=patch', want: 'sealos', why: 'a label beats the base' },
    { text: 'FROM sealerio/a\nLABEL x=y', want: 'kubefile', why: 'the base beats a word that both have' },
    { text: 'FROM a\nCOPY f /f', want: 'kubefile-classic', why: 'a path of the image is no own name' },
    { text: 'FROM a\nCOPY . .', want: 'kubefile-classic', why: 'nor is the whole context' },
    { text: 'FROM a\nCOPY b b # why', want: 'sealos', why: 'a comment is no word' },
    { text: 'FROM a\nCMD b\nFROM c\nCMD d', want: 'sealos', why: 'a CMD in each stage' },
    {
      text: 'FROM kubernetes-tools:1\nCOPY b c',
      want: 'kubefile-classic',
      why: 'another name than kubernetes',
    },
  ]
  for (const { text, want, why } of rows) t.equal(explainDialect(text).dialect, want, `${why}: ${text}`)
})

t.test('words of two dialects', async t => {
  const rows: readonly { text: string; message: RegExp }[] = [
    {
      text: 'FROM scratch\nAPP a local://a\nUSER 0',
      message: /^K:3:1: USER is of sealos, and APP in line 2 is of sealer 0\.9/,
    },
    {
      text: 'FROM scratch\n  WORKDIR /x\n  LAUNCH a',
      message: /^K:3:3: LAUNCH is of sealer 0\.9, and WORKDIR in line 2 is of sealos/,
    },
    {
      text: 'FROM scratch\nCMDS ["a"]\nLABEL sealos.io.type=rootfs',
      message: /^K:3:1: the label sealos\.io\.type is of sealos, and CMDS in line 2/,
    },
  ]
  for (const { text, message } of rows) {
    t.throws(() => parseKubefile(text, { file: 'K' }), { code: 'KUBEFILE_INVALID', message }, text)
    t.throws(
      () => fileLanguage('x/Kubefile', text),
      { code: 'KUBEFILE_INVALID' },
      'also by the name of the file',
    )
  }
})

t.test('the language of a file', async t => {
  const flattened = 'FROM scratch\nCOPY rootfs/* .'
  const rows: readonly { name: string; text?: string; want: string; warning?: RegExp; why: string }[] = [
    { name: 'x/kubefile', want: 'kubefile-classic', why: 'any case' },
    { name: 'a.Kubefile', want: 'kubefile-classic', why: 'an ending' },
    { name: 'Sealfile', want: 'sealos', why: 'a name of sealos' },
    {
      name: 'Kubefile.txt',
      want: 'dockerfile',
      warning: /line 2 .*--dialect kubefile-classic .*--dialect dockerfile/,
      why: 'another ending',
    },
    {
      name: 'K2',
      want: 'dockerfile',
      warning: /^K2 is read as a Dockerfile, for its name, but line 2/,
      why: 'another name',
    },
    {
      name: 'K2',
      text: 'FROM kubernetes:v1\nCOPY a b',
      want: 'dockerfile',
      warning: /line 1 /,
      why: 'the base of a cluster',
    },
    {
      name: 'K2',
      text: 'FROM a\nCOPY b /c\nCMD kubectl apply -f c',
      want: 'dockerfile',
      warning: /line 3 /,
      why: 'a command of clusters',
    },
    {
      name: 'K2',
      text: 'FROM a\nCMD ["helm install x"]',
      want: 'dockerfile',
      warning: /--dialect sealos/,
      why: 'in an array',
    },
    {
      name: 'K2',
      text: 'FROM scratch\nCOPY a /a\nCMD ["/a"]',
      want: 'dockerfile',
      why: 'an ordinary Dockerfile',
    },
    { name: 'K2', text: 'FROM debian:12\nCOPY a .\nCMD a', want: 'dockerfile', why: 'another one' },
    { name: 'K2', text: 'FROM a\nRUN \0', want: 'dockerfile', why: 'what is wrong is told later' },
    { name: 'Dockerfile', want: 'dockerfile', why: 'the name says it' },
    { name: 'Dockerfile.web', want: 'dockerfile', why: 'so it does here' },
    { name: 'web.Containerfile', want: 'dockerfile', why: 'and here' },
    { name: '-', want: 'dockerfile', why: 'stdin has no name' },
    {
      name: 'Dockerfile',
      text: 'FROM scratch\nLABEL sealos.io.type=patch\nCOPY . .',
      want: 'dockerfile',
      warning: /line 2 .*--dialect sealos/,
      why: 'a label that only sealos reads',
    },
    {
      name: '-',
      text: 'FROM scratch\nAPP a local://b\nLAUNCH a',
      want: 'dockerfile',
      warning: /line 2 .*--dialect kubefile/,
      why: 'a word that no Dockerfile has',
    },
  ]
  for (const { name, text = flattened, want, warning, why } of rows) {
    const found = fileLanguage(name, text)
    t.equal(found.language, want, `${name}: ${why}`)
    if (warning === undefined) t.equal(found.warning, undefined, `${name}: ${why}, no warning`)
    else t.match(found.warning, warning, `${name}: ${why}`)
  }
  t.same(LANGUAGE_OPTIONS.map(languageNamed), [
    'dockerfile',
    'kubefile',
    'kubefile-classic',
    'sealos',
    'kubefile',
    'kubefile-classic',
  ])
  t.equal(languageNamed('other'), undefined)
})

t.test('a comment behind the COPY of the classic dialect', async t => {
  const said: string[] = []
  const text = 'FROM a\n COPY b c # why\nCOPY d e\nRUN f # g'
  const list = parseKubefile(text, {
    file: 'K',
    dialect: 'kubefile-classic',
    warn: message => said.push(message),
  })
  t.same(list[1]?.args, ['b', 'c'])
  t.same(list[3]?.args, ['f # g'], 'a shell reads its own comments')
  t.match(said, [/^K:2:2: "# why" behind COPY is ignored/])
  t.equal(said.length, 1)
  const words = 'FROM a\nCOPY b c d # e'
  t.throws(() => parseKubefile(words, { dialect: 'kubefile-classic' }), /takes a source and a destination/)
})

t.test('the types of images', async t => {
  const rows: readonly [type: string | undefined, dialect: Dialect | 'dockerfile', message?: RegExp][] = [
    [undefined, 'dockerfile'],
    ['app-installer', 'kubefile'],
    ['rootfs', 'sealos'],
    ['rootfs', 'kubefile', /--type rootfs .* kubefile, whose types are kube-installer, app-installer/],
    ['kube-installer', 'sealos', /whose types are rootfs, application, patch/],
    ['rootfs', 'kubefile-classic', /which says none/],
    ['rootfs', 'dockerfile', /which says none/],
  ]
  for (const [type, dialect, message] of rows)
    if (message === undefined) t.doesNotThrow(() => checkImageType(type, dialect))
    else t.throws(() => checkImageType(type, dialect), { code: 'OPTION_INVALID', status: 2, message })
})

t.test('the manual has the rules', async t => {
  const manual = readFileSync('../../../tools/kf-parse/README.md', 'utf8')
  for (const word of ['APP, APPCMDS', 'USER, WORKDIR', '`sealos.io.', 'a second CMD', 'keeps its name', 'K2'])
    t.match(manual, word, word)
})

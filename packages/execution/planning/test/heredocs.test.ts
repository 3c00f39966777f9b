// Bodies of heredocs: as text, and from the store.

import fs from 'node:fs'
import { expandWord } from '@pipelayer/dockerfile'
import type { InlineContent } from '@pipelayer/steps'
import { Store } from '@pipelayer/store'
import t from 'tap'
import { inlineBytes } from '../../executor/src/inline-bytes.js'
import { type Body, beginningOf, contentOf, keyOfContent } from '../src/heredoc-body.js'
import { runCommand } from '../src/run-plan.js'

const env = new Map([
  ['A', 'first'],
  ['E', ''],
])
const expanded = (text: string): string => expandWord(text, { env, quotes: 'ignore' })

async function bytesOf(content: InlineContent): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of inlineBytes(content)) chunks.push(chunk)
  return Buffer.concat(chunks).toString('latin1')
}

t.test('as text and from the store', async t => {
  const store = Store.open(t.testdir())
  const rows: readonly [text: string, why: string][] = [
    ['', 'nothing'],
    ['plain\n', 'no variable'],
    ['$A ${A} "${A}" \'$A\'\n', 'quotes are text'],
    ['\ta\n\t\tb\tc\n', 'tabs'],
    ['a\\\n$A\\$A \\${A\n}\n', 'escapes, one at the end of a line'],
    ['${E:-one\ntwo $A\n} three ${A:+x\ny}\nend', 'a form that goes over lines, no newline at the end'],
    ['${E:-a${E:-b\nc}d}\n', 'one in another'],
    [`${'$A é\n'.repeat(400)}`, 'many lines'],
    [`${'$A'.repeat(500)}\n`, 'a long line'],
  ]
  for (const [text, why] of rows)
    for (const chomp of [false, true])
      for (const change of [undefined, expanded])
        for (const limit of [0, 7, 100_000]) {
          const bytes = Buffer.from(text)
          const { digest, size } = store.putBytes(bytes)
          const use = { store: inChunks(store, 3 + (text.length % 64)), limit, ...(change ? { change } : {}) }
          const plain = chomp ? text.replace(/^\t+/gm, '') : text
          const given = await contentOf({ content: plain, chomp }, use)
          const stored = await contentOf({ stored: { digest, size }, chomp }, use)
          const name = `${why}${chomp ? ', <<-' : ''}${change ? ', expanded' : ''}, at most ${limit} bytes`
          const want = Buffer.from(change ? change(plain) : plain).toString('latin1')
          t.equal(await bytesOf(given), want, `text: ${name}`)
          t.equal(await bytesOf(stored), want, `stored: ${name}`)
          t.same(keyOfContent(stored), keyOfContent(given), `one key: ${name}`)
          t.equal('content' in given, want.length <= limit, `by its length: ${name}`)
        }
})

/** The same store, its blobs read a few bytes at a time. */
function inChunks(store: Store, size: number): Store {
  const open = store.openBlob.bind(store)
  store.openBlob = digest => {
    open(digest).destroy()
    return fs.createReadStream(store.blobPath(digest), { highWaterMark: size })
  }
  return store
}

t.test('bytes that are no text', async t => {
  const store = Store.open(t.testdir())
  const bytes = Buffer.from('\t\xff\xfe\n\t\x00\n', 'latin1')
  const stored = { stored: store.putBytes(bytes), chomp: true }
  const given = { content: '', contentRaw: bytes.toString('base64'), chomp: false }
  t.equal(await bytesOf(await contentOf(stored, { store, limit: 1 })), '\xff\xfe\n\x00\n')
  t.equal(await bytesOf(await contentOf(given, { store, limit: 1 })), '\t\xff\xfe\n\t\x00\n')
  t.equal((await beginningOf(await contentOf(given, { store, limit: 1 }), 2, store)).length, 2)
})

t.test('what is wrong with a stored body', async t => {
  const store = Store.open(t.testdir())
  const { digest, size, path } = store.putBytes(Buffer.from('some content of a heredoc\n'))
  const missing = `sha256:${'0'.repeat(64)}`
  const rows: readonly [Body, code: string, why: string][] = [
    [{ stored: { digest: missing, size }, chomp: false }, 'HEREDOC_MISSING', 'no such blob'],
    [{ stored: { digest, size: size + 1 }, chomp: false }, 'HEREDOC_MISSING', 'one of another size'],
    [
      { stored: { digest: 'sha256:../../x', size }, chomp: false },
      'DIGEST_INVALID',
      'a digest that is a path',
    ],
  ]
  for (const [body, code, why] of rows) await t.rejects(contentOf(body, { store }), { code, status: 1 }, why)
  fs.chmodSync(path, 0o600)
  fs.writeFileSync(path, 'some CONTENT of a heredoc\n')
  const damaged = { stored: { digest, size }, chomp: false }
  await t.rejects(
    contentOf(damaged, { store }),
    { code: 'DIGEST_MISMATCH' },
    'damaged, read when it is planned',
  )
  const large = await contentOf(damaged, { store, limit: 1 })
  await t.rejects(bytesOf(large), { code: 'DIGEST_MISMATCH' }, 'damaged, read when it is copied')
  const wide = store.putBytes(Buffer.alloc(17 * 1024 * 1024, 'x'))
  const use = { store, change: expanded }
  await t.rejects(contentOf({ stored: wide, chomp: false }, use), { code: 'HEREDOC_TOO_WIDE' }, 'one line')
})

t.test('what a RUN executes', async t => {
  const store = Store.open(t.testdir())
  const heredoc = { name: 'EOF', expand: true, chomp: false, fd: 0, content: '\techo hi\n' }
  const run = { kind: 'run', mounts: [], network: 'default', security: 'sandbox', devices: [] } as const
  const rows: readonly [object: Parameters<typeof runCommand>[0], want: object, why: string][] = [
    [{ ...run, shell: true, command: ['a b'], files: [] }, { argv: ['/bin/sh', '-c', 'a b'] }, 'shell form'],
    [{ ...run, shell: false, command: ['a', 'b'], files: [] }, { argv: ['a', 'b'] }, 'exec form'],
    [
      { ...run, shell: true, command: ['<<EOF'], files: [heredoc] },
      { argv: ['/bin/sh', '-c', '\techo hi\n'] },
      'a heredoc is the text',
    ],
    [
      { ...run, shell: true, command: ['<<-EOF'], files: [{ ...heredoc, chomp: true }] },
      { argv: ['/bin/sh', '-c', 'echo hi\n'] },
      'without its tabs',
    ],
    [
      { ...run, shell: true, command: ['cat <<EOF > x'], files: [heredoc] },
      { argv: ['/bin/sh', '-c', 'cat <<EOF > x\n\techo hi\nEOF'] },
      'given back to the shell',
    ],
  ]
  for (const [instruction, want, why] of rows) t.same(await runCommand(instruction, {}, store), want, why)
  const script = await runCommand(
    {
      ...run,
      shell: true,
      command: ['<<x.py'],
      files: [{ ...heredoc, name: 'x.py', content: '#!/usr/bin/python\n1\n' }],
    },
    {},
    store,
  )
  const files = [{ ...heredoc, name: "a'$N", content: '#!/bin/sh\n' }]
  t.match(
    await runCommand({ ...run, shell: true, command: ["<<a'$N"], files }, {}, store),
    { argv: ['/bin/sh', '-c', "'/dev/pipes/a'\\''$N'"], script: { name: "a'$N" } },
    'the shell does not expand its name',
  )
  t.same(script.argv, ['/bin/sh', '-c', '/dev/pipes/x.py'], 'a heredoc with #! is a program')
  t.same(
    await runCommand(
      { ...run, shell: true, command: ['a'], files: [] },
      { Shell: ['/bin/bash', '-ec'] },
      store,
    ),
    { argv: ['/bin/bash', '-ec', 'a'] },
    'SHELL',
  )
  const long = (content: string): Parameters<typeof runCommand>[0] => ({
    ...run,
    shell: true,
    command: ['<<EOF'],
    files: [{ ...heredoc, content }],
  })
  const most = 'x'.repeat(131_071)
  t.equal((await runCommand(long(most), {}, store)).argv[2], most, 'what the kernel takes in an argument')
  const { argv } = await runCommand(long(`#!${most}`), {}, store)
  t.same(argv.slice(2), ['/dev/pipes/EOF'], 'of a script, any length')
  for (const [files, why] of [
    [long(`${most}x`), 'one byte more'],
    [{ ...long(''), command: ['cat <<EOF'], files: [{ ...heredoc, content: most }] }, 'inside a command'],
    [{ ...long(''), command: [`${most}x`], files: [] }, 'a command'],
  ] as const)
    await t.rejects(runCommand(files, {}, store), { code: 'ARGUMENT_TOO_LONG', status: 1 }, why)
})

t.test('RUN with a body in the store', async t => {
  const store = Store.open(t.testdir())
  const run = (text: string, command = '<<X'): ReturnType<typeof runCommand> => {
    const { digest, size } = store.putBytes(Buffer.from(text))
    const files = [{ name: 'X', expand: true, chomp: true, fd: 0, digest, size }]
    const rest = { mounts: [], network: 'default', security: 'sandbox', devices: [] } as const
    return runCommand({ kind: 'run', shell: true, command: [command], files, ...rest }, {}, store)
  }
  t.same((await run('\techo $A\n')).argv, ['/bin/sh', '-c', 'echo $A\n'], 'a short one: nothing is expanded')
  t.same((await run('\tx\n', 'cat <<-X')).argv[2], 'cat <<-X\n\tx\nX', 'tabs are for the shell to drop')
  const script = await run(`\t#!/bin/sh\n${'# x\n'.repeat(300_000)}`)
  t.match(script, { argv: ['/bin/sh', '-c', '/dev/pipes/X'], script: { name: 'X', digest: /^sha256:/ } })
  t.match(await run('#!/bin/sh\n'), { script: { content: Buffer.from('#!/bin/sh\n').toString('base64') } })
  const long = `${'# x\n'.repeat(300_000)}`
  await t.rejects(run(long), { code: 'ARGUMENT_TOO_LONG', message: /1200000 bytes.*131071/ })
  await t.rejects(run(long, 'cat <<-X'), { code: 'ARGUMENT_TOO_LONG' })
})

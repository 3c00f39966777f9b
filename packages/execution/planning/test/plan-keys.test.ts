// Which keys of steps change, and which stay, when the Dockerfile or the files that it reads change. A step whose key
// stays is found in the cache; every other step would be executed.

import t from 'tap'
import { asImported, asKnown, type Planned, type PlanOptions, planOf } from './plan-kit.js'

/** The numbers of the steps that `before` does not have. */
function changed(plan: Planned, before: Planned): number[] {
  const known = new Set(before.steps.map(({ step }) => step.cacheKey))
  return plan.steps.flatMap(({ step }, index) => (known.has(step.cacheKey) ? [] : [index + 1]))
}

/** Step 1 is in the stage `tools`; steps 2 to 7 are in the target. */
const FILE = `ARG V=1
FROM base AS tools
RUN tool
FROM base
COPY a /a
COPY d /d
COPY --link b /b
ARG A
RUN --mount=type=cache,target=/c --mount=type=secret,id=s --mount=type=ssh echo $A
COPY --from=tools /t /t
RUN --mount=from=tools,target=/m --mount=target=/w,source=d end
`
const TOOLS = 1
const FROM_TOOLS = [6, 7]

t.test('what changes which keys', async t => {
  const context = { a: 'A', b: 'B', 'd/x': 'X', 'd/y': 'Y' }
  const all = [1, 2, 3, 5, 6, 7]
  // Step 4 is linked, so the files below it never change it.
  const edits: readonly [why: string, from: string | RegExp, to: string, want: readonly number[]][] = [
    ['nothing', '', '', []],
    ['a comment', 'FROM base AS', '# comment\nFROM base AS', []],
    ['an empty line, and a space between words of ours', 'COPY a', '\nCOPY  a', []],
    ['the case of an instruction', 'COPY a', 'copy a', []],
    ['a line that goes on', 'COPY a /a', 'COPY a \\\n /a', []],
    ['the name of a stage', /tools/g, 'other', []],
    ['its number in place of its name', /from=tools/g, 'from=0', []],
    ['an ARG before FROM that nobody uses', 'V=1', 'V=2', []],
    ['a label, a command, a port: they change no file', 'ARG A\n', 'ARG A\nLABEL l=1\nCMD x\nEXPOSE 1\n', []],
    ['a space before a command', 'RUN tool', 'RUN   tool', []],
    ['one inside it', /end$/m, 'end  of', [7]],
    ['a command', 'RUN tool', 'RUN another', [TOOLS, ...FROM_TOOLS]],
    ['another base', 'FROM base\n', 'FROM other\n', [2, 3, 5, 6, 7]],
    ['of the other stage', 'FROM base AS', 'FROM other AS', [TOOLS, ...FROM_TOOLS]],
    ['a destination', '/a\n', '/b\n', [2, 3, 5, 6, 7]],
    ['a flag', 'COPY d', 'COPY --chmod=700 d', [3, 5, 6, 7]],
    ['ADD in place of COPY: it would unpack', 'COPY d', 'ADD d', [3, 5, 6, 7]],
    ['a linked step', 'COPY --link b', 'COPY --link --chown=1 b', [4, 5, 6, 7]],
    ['a step more', 'COPY a', 'RUN more\nCOPY a', [2, 3, 4, 6, 7, 8]],
    [
      'a working directory: COPY may be relative to it',
      'COPY a',
      'WORKDIR /w\nCOPY a',
      [2, 3, 4, 5, 6, 7, 8],
    ],
    ['a variable, where a command sees it', 'ARG A\n', 'ARG A\nENV X=1\n', [5, 6, 7]],
    ['one behind all commands', /end\n/, 'end\nENV X=1\n', []],
    ['one that no command sees but names of files', 'COPY a', 'ARG F=a\nCOPY $F', [5, 6, 7]],
    ['the default of an ARG', 'ARG A\n', 'ARG A=1\n', [5, 6, 7]],
    ['an ARG without a value', 'ARG A\n', '', []],
    ['its place, in front of what does not see it', /(COPY a.*\n)(COPY d.*\n)/, 'ARG B\n$1$2', []],
    ['a user, where a command runs', 'ARG A\n', 'ARG A\nUSER 7\n', [5, 6, 7]],
    ['the shell', 'ARG A\n', 'ARG A\nSHELL ["/bin/bash", "-c"]\n', [5, 6, 7]],
    ['no network', 'RUN --mount=from', 'RUN --network=none --mount=from', [7]],
    ['a cache of another name', 'target=/c', 'target=/c,id=x', [5, 6, 7]],
    ['at another place', 'target=/c', 'target=/e', [5, 6, 7]],
    ['a secret of another name', 'id=s', 'id=z', [5, 6, 7]],
    ['a mount from another tree', 'from=tools,target=/m', 'from=other,target=/m', [7]],
    ['to be written to', 'target=/m', 'target=/m,rw', [7]],
  ]
  const options: readonly [why: string, options: PlanOptions, want: readonly number[]][] = [
    ['the content of a file', { context: { ...context, a: '1' } }, [2, 3, 5, 6, 7]],
    ['of one that a linked step copies', { context: { ...context, b: '1' } }, [4, 5, 6, 7]],
    ['a file more in a directory', { context: { ...context, 'd/z': '' } }, [3, 5, 6, 7]],
    ['one that nobody copies', { context: { ...context, z: '' } }, []],
    ['another base behind its name', { layers: { base: 'newer' } }, all],
    ['variables of the base', { images: { base: { config: { Env: ['X=1'] } } } }, [1, 5, 6, 7]],
    ['a label of the base', { images: { base: { config: { Labels: { a: 'b' } } } } }, []],
    ['a build argument, where it begins to count', { args: { A: '1' } }, [5, 6, 7]],
    ['one that no ARG takes', { args: { MISSPELT: '1' } }, []],
    ['a proxy', { args: { HTTP_PROXY: 'p' } }, []],
    ['that a secret and an agent are there', { secrets: ['s'], agents: ['default'] }, []],
    ['SOURCE_DATE_EPOCH', { epoch: 1 }, [1, 2, 3, 4, 5, 6, 7]],
    ['--network', { network: 'none' }, [1, 5, 6, 7]],
    ['every step anew', { nonce: 'n' }, [1, 2, 3, 4, 5, 6, 7]],
    ['another platform', { platform: 'linux/arm64' }, all],
    ['what is allowed', { allow: ['security.insecure'] }, []],
  ]
  const before = await planOf(FILE)
  t.equal(before.steps.length, 7)
  for (const [why, from, to, want] of edits) {
    const file = FILE.replace(from, to)
    t.ok(file !== FILE || from === '', `${why}: there is such an edit`)
    t.same(changed(await planOf(file), before), want, why)
  }
  for (const [why, more, want] of options) t.same(changed(await planOf(FILE, more), before), want, why)
})

const linkedFrom = (file: string): string =>
  `FROM scratch AS s\nCOPY ${file} /g\nFROM scratch\nCOPY --from=s --link g /\n`
const named = (base: string): string => `FROM ${base}\nCOPY --link --chown=joe a /`

t.test('two files of one meaning', async t => {
  const rows: readonly [why: string, one: string, two: string, isSame: boolean, options?: PlanOptions][] = [
    ['the order of variables', 'FROM base\nENV A=1 B=2\nRUN x', 'FROM base\nENV B=2 A=1\nRUN x', true],
    ['ARG or ENV', 'FROM base\nARG A=1\nRUN x', 'FROM base\nENV A=1\nRUN x', true],
    ['a variable of the name', 'FROM base\nENV A=a\nCOPY $A /', 'FROM base\nCOPY a /', true],
    ['a stage in place of an image', 'FROM base AS b\nFROM b\nRUN x', 'FROM base\nRUN x', true],
    ['an ONBUILD', 'FROM base AS b\nONBUILD RUN x\nFROM b', 'FROM base\nRUN x', true],
    ['brackets', 'FROM base\nRUN ["/bin/sh", "-c", "x"]', 'FROM base\nRUN x', true],
    ['a heredoc of a file', 'FROM base\nCOPY <<a /\nx\na', 'FROM base\nCOPY <<a /\ny\na', false],
    ['its name', 'FROM base\nCOPY <<a /\nx\na', 'FROM base\nCOPY <<b /\nx\nb', false],
    ['a heredoc of a command', 'FROM base\nRUN <<a\nx\na', 'FROM base\nRUN <<b\nx\nb', true],
    ['a directory', 'FROM base\nWORKDIR /a\n', 'FROM base\nWORKDIR /b\n', false],
    ['an absolute one', 'FROM base\nWORKDIR /a\nRUN x', 'FROM base\nWORKDIR a\nRUN x', true],
    ['a linked step on another base', 'FROM base\nCOPY --link a /', 'FROM other\nCOPY --link a /', true],
    ['one that is let be', 'FROM base\nCOPY --link --chmod=600 a /', 'FROM base\nCOPY --chmod=600 a /', true],
    ['what a linked step copies', linkedFrom('a'), linkedFrom('b'), false],
    ['a name of an owner is looked up below', named('base'), named('other'), false],
    ['two caches', 'FROM base\nRUN --mount=type=cache,target=/c x', 'FROM base\nRUN x', false],
  ]
  for (const [why, one, two, isSame] of rows) {
    const [first, second] = [await planOf(one), await planOf(two)]
    t.equal(first.steps.at(-1)?.step.cacheKey === second.steps.at(-1)?.step.cacheKey, isSame, why)
  }
  const add = 'FROM scratch\nADD https://h/f /\n'
  const web = async (content: string): Promise<Planned> => planOf(add, { web: { 'https://h/f': content } })
  t.same(changed(await web('1'), await web('1')), [], 'an address gives the same')
  t.same(changed(await web('2'), await web('1')), [1], 'and another content')
})

t.test('steps that a cache has', async t => {
  const first = await planOf(FILE)
  const packed = { known: asKnown(first) }
  const linesOf = async (file: string, options: PlanOptions): Promise<string[]> =>
    (await planOf(file, options)).lines.map(line => /^\d+|\(\w+\)$/g[Symbol.match](line)?.join(' ') ?? '')
  const whole = ['1', '2', '3', '4', '5', '6', '7'].map(number => `${number} (known)`)
  t.same(await linesOf(FILE, packed), whole, 'all of them')
  const edited = FILE.replace('echo', 'print')
  t.same(await linesOf(edited, packed), [...whole.slice(0, 4), '5', '6', '7'], 'up to the edit')
  t.same(await linesOf(FILE, { ...packed, nonce: 'n' }), ['1', '2', '3', '4', '5', '6', '7'], '--no-cache')

  const imported = { imported: asImported(first) }
  const all = whole.map(line => line.replace('known', 'imported'))
  t.same(await linesOf(FILE, imported), all, 'those of another machine')
  t.same(await linesOf(edited, imported), [...all.slice(0, 4), '5', '6', '7'], 'up to the edit')
  t.same(await linesOf(FILE, { ...imported, nonce: 'n' }), ['1', '2', '3', '4', '5', '6', '7'], '--no-cache')
  t.same(await linesOf(FILE, { ...imported, ...packed }), whole, "this store's come first")
  const below = FILE.replace('COPY a', 'RUN more\nCOPY a')
  t.match(
    await linesOf(below, imported),
    ['1 (imported)', '2', '3', '4', '5 (imported)'],
    'a linked one, too',
  )
  t.match(
    await linesOf(below, packed),
    ['1 (known)', '2', '3', '4', '5 (known)', '6'],
    'of this store as well',
  )
  const elsewhere = `sha256:${'1'.repeat(64)}`
  const moved = [...asImported(first)].map(
    ([key, step]) => [key.replace(/ .+$/, ` ${elsewhere}`), step] as const,
  )
  t.same(
    await linesOf(FILE, { imported: new Map(moved) }),
    ['1', '2', '3', '4 (imported)', '5', '6', '7'],
    'not those that lay upon other layers',
  )

  const taken = await planOf(FILE, imported)
  t.same(changed(taken, first), [1, 2, 3, 4, 5, 6, 7], 'under keys of their own: nobody else believes them')
  t.same(
    taken.steps.map(({ step }) => step.shared),
    first.steps.map(({ step }) => step.shared),
    'that every machine calls the same',
  )
  const upon = `${FILE}RUN more\n`
  const [one, other] = [await planOf(upon, imported), await planOf(upon)]
  t.not(one.steps.at(-1)?.step.cacheKey, other.steps.at(-1)?.step.cacheKey, 'what lies on them, too')
  t.equal(one.steps.at(-1)?.step.shared, other.steps.at(-1)?.step.shared)
})

t.test('a step of another architecture asks the machine before it is executed', async t => {
  const { steps } = await planOf('FROM --platform=linux/s390x base\nCOPY a /\nRUN x\n', {
    emulators: ['s390x'],
  })
  t.equal(steps[0]?.wanted.check, undefined, 'files need no emulator')
  t.doesNotThrow(() => steps[1]?.wanted.check?.())
  const none = await planOf('FROM --platform=linux/s390x base\nRUN x\n')
  t.throws(() => none.steps[0]?.wanted.check?.(), { code: 'EMULATOR_MISSING' })
  t.match(none.steps[0]?.wanted.hint, /it is for s390x, this machine is amd64/)
})

t.test('three thousand stages, each on the one before', async t => {
  const chain = (step: (stage: number) => string): string =>
    Array.from({ length: 3000 }, (_, index) => step(index)).join('')
  const bases = await planOf(
    chain(index => (index === 0 ? 'FROM scratch AS s0\nENV A=b\n' : `FROM s${index - 1} AS s${index}\n`)),
  )
  t.ok(bases.doc.config.Env?.includes('A=b'), 'the last stage has what the first one said')
  const copies = chain(index =>
    index === 0
      ? 'FROM scratch AS s0\nCOPY none /\n'
      : `FROM scratch AS s${index}\nCOPY --from=s${index - 1} / /\n`,
  )
  const message = 'Dockerfile:2: COPY none /: "/none": not found'
  await t.rejects(planOf(copies), { code: 'NOT_FOUND', message }, 'the first one is heard of')
})

// Expansion, patterns, ports and git references.
import { ToolError } from '@pipelayer/errors'
import fc from 'fast-check'
import t from 'tap'
import {
  cleanPath,
  expand,
  expandWord,
  expandWords,
  ignoreMatcher,
  isIgnored,
  matchGlob,
  parseGitRef,
  parseGitURL,
  parseIgnore,
  parsePorts,
  splitPort,
} from '../src/index.js'

const ENV = { A: 'a', EMPTY: '', PATH: '/x/y.z.gz', TWO: 'p  q', X: 'xxyyxx' }

t.test('expansion', async t => {
  const rows: readonly { text: string; want: string; why: string }[] = [
    { text: '$A${A}$NO${NO}.', want: 'aa.', why: 'unset is empty' },
    { text: '\\$A \'$A\' "$A" "\\$A"', want: '$A $A a $A', why: 'quotes and escapes' },
    { text: '$ $. a$', want: '$ $. a$', why: 'a lone dollar' },
    { text: '$1x$@y', want: 'xy', why: 'numbers and special names' },
    { text: '${NO:-b}${NO-b}${EMPTY:-b}${EMPTY-b}${A:-b}', want: 'bbba', why: 'defaults' },
    { text: '${NO:+b}${EMPTY:+b}${EMPTY+b}${A:+b}', want: 'bb', why: 'alternatives' },
    { text: '${NO:-${A:+"q r"}}', want: 'q r', why: 'nested, quotes removed' },
    { text: '${PATH#*/} ${PATH##*/}', want: 'x/y.z.gz y.z.gz', why: 'prefixes' },
    { text: '${PATH%.*} ${PATH%%.*}', want: '/x/y.z /x/y', why: 'suffixes' },
    { text: '${PATH/./-} ${PATH//./-}', want: '/x/y-z.gz /x/y-z-gz', why: 'dots are dots' },
    { text: '${X//x/} ${X/x*x/-} ${X//?/_}', want: 'yy - ______', why: 'wildcards, greedy' },
    { text: '${X//yy/<\\$0\\$$>}', want: 'xx<\\yy\\$>xx', why: 'a template: the match, a dollar' },
    { text: "${X//yy/'${0}$1x$y'}", want: 'xxyyxx', why: 'a template: braces; groups there are none' },
    { text: "${X//yy/'$-${0'}", want: 'xx$-${0xx', why: 'a template: not a name' },
    { text: "${X/yy/'$0$$'}", want: 'xx$0$$xx', why: 'one replacement is no template' },
  ]
  for (const { text, want, why } of rows) t.equal(expandWord(text, { env: ENV }), want, `${why}: ${text}`)

  const errors: readonly { text: string; message: RegExp }[] = [
    { text: '${', message: /missing "}"/ },
    { text: '${A', message: /missing "}"/ },
    { text: '${}', message: /bad substitution/ },
    { text: '${A:=b}', message: /unknown modifier ":="/ },
    { text: '${A:#b}', message: /unknown modifier ":#"/ },
    { text: '${NO?}', message: /NO: is not allowed to be unset/ },
    { text: '${EMPTY:?say $A}', message: /EMPTY: say a/ },
    { text: '${A#\\a}', message: /invalid escape/ },
    { text: '${A/b}', message: /missing "\/"/ },
    { text: '"a', message: /double quote is not closed/ },
    { text: "'a", message: /single quote is not closed/ },
    { text: '${A:-'.repeat(5000), message: /nest deeper/ },
  ]
  for (const { text, message } of errors) {
    t.throws(() => expandWord(text, { env: ENV }), { code: 'EXPANSION_FAILED', message }, text.slice(0, 40))
  }

  t.same(
    expandWords('$TWO "$TWO" x\\ y ""', { env: ENV }),
    ['p', 'q', 'p  q', 'x y'],
    'split after expansion',
  )
  t.equal(expandWord('`$A \\', { env: ENV, escape: '`' }), '$A \\', 'another escape character')
  const other = { env: { B: 'b\\?' }, escape: '`' } as const
  t.equal(expandWord('${B%?\\}', other), 'b\\', 'a pattern of the end is read backwards')
  t.throws(() => expandWord('${B#?\\}', other), { message: /invalid escape/ })
  t.equal(expandWord('"$A" \'$A\' \\$A', { env: ENV, quotes: 'ignore' }), '"a" \'a\' $A', 'a heredoc body')
  t.equal(expandWord('$NO${NO:-x}', { env: ENV, unset: 'keep' }), '$NO${NO:-x}')
  const { matched, unmatched } = expand('$A ${NO:-$X}', { env: new Map([['A', '']]) })
  t.same([[...matched], [...unmatched]], [['A'], ['X', 'NO']])
  t.equal(expandWord('$constructor$__proto__', { env: {} }), '', 'names of Object are no variables')
  const half = 'x'.repeat(9 * 1024 * 1024)
  t.throws(
    () => expandWord('$H$H', { env: { H: half } }),
    { message: /more than/ },
    'doubling ends somewhere',
  )
})

t.test('patterns take linear time', async t => {
  const long = `${'a'.repeat(20_000)}`
  t.equal(expandWord('${L//*a*a*a*a*b/}', { env: { L: long } }), long)
  t.notOk(matchGlob('*a*a*a*a*a*b', long))
  t.notOk(isIgnored(['**/*a*/**/*a*/**/b'], 'aa/'.repeat(2000)))
})

t.test('globs', async t => {
  const rows: readonly { pattern: string; name: string; want: boolean | RegExp }[] = [
    { pattern: 'a*b', name: 'axxb', want: true },
    { pattern: 'a*b', name: 'a/b', want: false },
    { pattern: 'a?', name: 'aé', want: true },
    { pattern: '[a-c\\]]x', name: ']x', want: true },
    { pattern: '[^a-c]', name: 'b', want: false },
    { pattern: '\\*', name: '*', want: true },
    { pattern: '[', name: 'a', want: /not closed/ },
    { pattern: '[]a]', name: 'a', want: /needs a backslash/ },
    { pattern: 'zz[a-', name: 'a', want: /not closed/ },
    { pattern: '\\', name: 'a', want: /backslash stands at its end/ },
  ]
  for (const { pattern, name, want } of rows) {
    if (typeof want === 'boolean') t.equal(matchGlob(pattern, name), want, `${pattern} ${name}`)
    else t.throws(() => matchGlob(pattern, name), { code: 'PATTERN_INVALID', message: want }, pattern)
  }
})

t.test('.dockerignore', async t => {
  const text = '\ufeff# no\n #yes\n/a/../b/\n\n ! c \n.\r\n!\n'
  t.same(parseIgnore(text), ['#yes', 'b', '!c', '.', '!'])
  const rows: readonly { patterns: readonly string[]; path: string; want: boolean; why: string }[] = [
    { patterns: ['a'], path: 'a', want: true, why: '' },
    { patterns: ['a'], path: 'b/a', want: false, why: 'from the root only' },
    { patterns: ['**/a'], path: 'b/c/a', want: true, why: 'anywhere' },
    { patterns: ['**/a'], path: 'xa', want: false, why: 'whole parts' },
    { patterns: ['a'], path: 'a/b/c', want: true, why: 'what is in a folder' },
    { patterns: ['a', '!a/b'], path: 'a/b/c', want: false, why: 'taken back in' },
    { patterns: ['a', '!a/b', 'a/b/c'], path: 'a/b/c', want: true, why: 'the last one decides' },
    { patterns: ['*', '!a'], path: 'a', want: false, why: '' },
    { patterns: ['a/**/b'], path: 'a/b', want: true, why: 'no folder between' },
    { patterns: ['a/**'], path: 'a', want: false, why: 'the folder itself stays' },
    { patterns: ['**.txt'], path: 'a/b.txt', want: true, why: 'any beginning' },
    { patterns: ['a/'], path: 'a', want: true, why: 'a slash at the end means nothing' },
    { patterns: ['.', '*'], path: '.', want: false, why: 'never all' },
    { patterns: ['a\\*'], path: 'a*', want: true, why: 'escaped' },
    { patterns: ['a.c+'], path: 'abc+', want: false, why: 'no regular expression' },
    { patterns: ['**/*.md', '!docs'], path: 'docs/a.md', want: true, why: '"!docs" was of no use at docs' },
    { patterns: ['**/.env', '!config'], path: 'config/.env', want: true, why: 'a secret stays out' },
    { patterns: ['**/.env', '!a/b'], path: 'a/b/c/.env', want: true, why: 'so it is two folders above' },
    {
      patterns: ['*', '**/.env', '!config'],
      path: 'config/.env',
      want: false,
      why: 'at config it was of use',
    },
    { patterns: ['**/.env', '!config/**'], path: 'config/.env', want: false, why: 'it matches the file' },
    { patterns: ['a', '!a/b', '**/a'], path: 'a/b', want: false, why: '"**/a" was of no use at a' },
    { patterns: ['a', '!a/b', '**/a'], path: 'a/b/c', want: false, why: 'nor in what is below' },
    {
      patterns: ['!a', 'a/*', '!a/b', 'a/b'],
      path: 'a/b/c',
      want: true,
      why: 'matched below, matched for all',
    },
  ]
  for (const { patterns, path, want, why } of rows)
    t.equal(isIgnored(patterns, path), want, `${patterns} ${path} ${why}`)
  const matcher = ignoreMatcher(['**/*.md', '!docs', 'docs/old'])
  const walk = ['docs', 'docs/a.md', 'docs/old', 'docs/old/x', 'docs2/a.md', 'docs/b', 'docs/old/y', 'a.md']
  const order = [...walk, ...walk.toReversed()]
  t.same(
    order.filter(path => matcher.ignores(path)),
    order.filter(path => isIgnored(['**/*.md', '!docs', 'docs/old'], path)),
    'the same in every order',
  )
  const halves = ignoreMatcher(['a', '!a/b', '**/a'])
  t.same(['a/b/c', 'a/c', 'b'].map(halves.empties), [true, false, false], 'in the list, and not to be opened')
  t.throws(() => ignoreMatcher(['!']), { code: 'PATTERN_INVALID' })
  t.throws(() => ignoreMatcher(['a', '[']), { code: 'PATTERN_INVALID' })
  t.same([ignoreMatcher(['a']).hasExceptions, ignoreMatcher(['a', '!b']).hasExceptions], [false, true])
  t.same(['a//b/.', '/..', '../a/..', '', 'a/../..'].map(cleanPath), ['a/b', '/', '..', '.', '..'])
})

t.test('.dockerignore, as the regular expressions of Go read it', async t => {
  const rows: readonly { pattern: string; yes: readonly string[]; no: readonly string[]; why: string }[] = [
    {
      pattern: 'bin\\Debug',
      yes: ['binXebug', 'binDebug'],
      no: ['bin1ebug', 'bin\\Debug'],
      why: '\\D: no digit',
    },
    { pattern: 'x\\d\\s\\w', yes: ['x1 _'], no: ['xa b', 'x1-b', 'x1 -'], why: 'sets' },
    {
      pattern: '\\x61\\141\\t\\.',
      yes: ['aa\t.'],
      no: ['x61'],
      why: 'characters by their numbers and names',
    },
    { pattern: 'foo\\b.*', yes: ['foo.x'], no: ['foob.x', 'foo'], why: 'the end of a word' },
    { pattern: 'foo\\Bx', yes: ['foox'], no: ['foo.x'], why: 'no end of a word' },
    { pattern: '\\Aa\\z', yes: ['a'], no: ['ab', 'ba'], why: 'begin and end' },
    { pattern: 'a^*', yes: [], no: ['a^', 'ab'], why: 'nothing begins in the middle' },
    { pattern: 'a^', yes: ['a^'], no: ['a'], why: 'without a wildcard all is text' },
    { pattern: '\\Qa*', yes: [], no: ['a', 'a*'], why: 'quoted is what "*" is read as' },
    { pattern: 'x\\Qy\\E?', yes: ['xyz'], no: ['xy', 'xQyE'], why: 'quoted in part' },
    { pattern: '\\Qa', yes: ['a$', 'a$b'], no: ['a'], why: 'the "$" at the end, too' },
    { pattern: '[*]x', yes: [']x', '[/]x'], no: ['*x', 'x'], why: '"*" in a class' },
    { pattern: '[?]', yes: ['[]', '/]'], no: ['?', ']'], why: '"?" in a class' },
    { pattern: '[[:alpha:]]', yes: ['a', 'Z'], no: ['1', ':', 'a]'], why: 'a class of POSIX' },
    { pattern: '[[:^digit:]x-z]', yes: ['a', '-'], no: ['1'], why: 'none of a class of POSIX' },
    { pattern: '[[:x]', yes: ['[', ':', 'x'], no: ['a'], why: 'none, where it does not end' },
    { pattern: '[\\w.]', yes: ['a', '.'], no: ['w.', '-'], why: 'a set in a class' },
    { pattern: '\\pL\\PL', yes: ['é1'], no: ['1é'], why: 'classes of Unicode' },
    { pattern: '(a.b)+?$', yes: ['(a.b)+c$'], no: ['a.b', '(axb)+c$'], why: 'these marks are text' },
    { pattern: 'a|b', yes: ['a|b'], no: ['a', 'b'], why: 'so are all without a wildcard' },
    {
      pattern: 'a*|b|c',
      yes: ['a', 'ax/y', 'xbx', 'xc'],
      no: ['x', 'cx'],
      why: 'alternatives: begin, middle, end',
    },
    { pattern: 'a?|', yes: ['ab', 'x', ''], no: [], why: 'nothing is in everything' },
    { pattern: 'a[|]b\\|*', yes: ['a|b|', 'a|b|c'], no: ['a|bc'], why: 'none in a class, none escaped' },
    { pattern: 'a{2}?', yes: ['aab'], no: ['ab', 'aaab', 'a{2}b'], why: 'so often' },
    { pattern: 'a{1,}[b]', yes: ['ab', 'aaab'], no: ['b'], why: 'at least' },
    { pattern: 'a{0,2}[b]{1,2}', yes: ['b', 'aab', 'aabb'], no: ['aaab', 'abbb'], why: 'from and to' },
    { pattern: '{2}?', yes: ['a'], no: ['aa'], why: 'the begin as often as one likes' },
    { pattern: 'foo\\b{0}o?', yes: ['fooox'], no: ['foo'], why: 'a place need not be there' },
    { pattern: 'foo\\b{2}?', yes: ['foo.'], no: ['foox'], why: 'a place that is there' },
    { pattern: 'a{x}{,2}{01}?', yes: ['a{x}{,2}{01}b'], no: ['ab'], why: 'braces that say nothing' },
  ]
  for (const { pattern, yes, no, why } of rows) {
    const { ignores } = ignoreMatcher([pattern])
    t.same([...yes, ...no].filter(ignores), yes, `${pattern} ${why}`)
  }
  const wrong: readonly { pattern: string; message: RegExp }[] = [
    { pattern: '[Local-Only]', message: /range l-O ends before it begins/ },
    { pattern: 'src\\config', message: /"\\c" is no escape/ },
    { pattern: '\\1', message: /"\\1" is no escape/ },
    { pattern: '\\é', message: /"\\é" is no escape/ },
    { pattern: '\\x6', message: /two hexadecimal digits/ },
    { pattern: '\\packages', message: /"\\pa" is no class/ },
    { pattern: '*{2}', message: /"\{2\}" repeats a repetition/ },
    { pattern: 'a{2}{3}*', message: /repeats a repetition/ },
    { pattern: 'a{3,2}*', message: /"\{3,2\}" repeats too often/ },
    { pattern: 'a{1001}*', message: /repeats too often/ },
    { pattern: '*|{2}', message: /repetition of nothing/ },
    { pattern: '[[:letter:]]', message: /no class \[:letter:\]/ },
  ]
  for (const { pattern, message } of wrong) {
    t.throws(() => isIgnored([pattern], 'a'), { code: 'PATTERN_INVALID', message }, pattern)
    t.equal(
      isIgnored([`!${pattern}`], 'a'),
      false,
      'one that is not needed is not looked at, as with BuildKit',
    )
  }
})

t.test('ports', async t => {
  const rows: readonly { spec: string; want: readonly string[] | RegExp }[] = [
    { spec: '80', want: ['80/tcp'] },
    { spec: '80/UDP', want: ['80/udp'] },
    { spec: '80-82/sctp', want: ['80/sctp', '81/sctp', '82/sctp'] },
    { spec: '127.0.0.1:8080:80', want: ['80/tcp'] },
    { spec: '[::1]::80', want: ['80/tcp'] },
    { spec: '8080-8081:80-81', want: ['80/tcp', '81/tcp'] },
    { spec: '8080-8082:80-81', want: /different numbers/ },
    { spec: '82-80', want: /not within/ },
    { spec: '65536', want: /not within/ },
    { spec: '80/http', want: /unknown protocol/ },
    { spec: 'x:80', want: /neither a port/ },
    { spec: '1.2:1:80', want: /no IP address/ },
    { spec: '', want: /no port/ },
  ]
  for (const { spec, want } of rows) {
    if (want instanceof RegExp)
      t.throws(() => parsePorts(spec), { code: 'PORT_INVALID', message: want }, spec)
    else t.same(parsePorts(spec), want, spec)
  }
  t.same(splitPort('80/'), { port: '80', protocol: 'tcp' })
})

t.test('git references', async t => {
  const rows: readonly { text: string; want: object | undefined; why: string }[] = [
    {
      text: 'https://h/a/b.git#v1:d',
      want: { remote: 'https://h/a/b.git', shortName: 'b', ref: 'v1', subdir: 'd' },
      why: '',
    },
    { text: 'https://h/a/b', want: undefined, why: 'a download' },
    { text: 'git@h:a/b', want: { remote: 'git@h:a/b', shortName: 'b', unencrypted: false }, why: 'scp form' },
    { text: 'git://h/b', want: { unencrypted: true }, why: '' },
    { text: 'github.com/a/b', want: { remote: 'github.com/a/b', looksLocal: true }, why: '' },
    { text: './github.com/a.git', want: undefined, why: 'a path' },
    { text: 'ftp://h/a.git', want: undefined, why: 'no scheme of git' },
    {
      text: 'https://h/a.git?tag=v1&keep-git-dir&submodules=false',
      want: { ref: 'refs/tags/v1', keepGitDir: true, submodules: false },
      why: '',
    },
    {
      text: 'https://h/a.git?ref=main&commit=c0&fetch-by-commit=true',
      want: { ref: 'main', checksum: 'c0', fetchByCommit: true },
      why: 'the commit, wherever the branch leads',
    },
    { text: 'https://h/a.git?commit=c0&fetch-by-commit=0', want: { fetchByCommit: false }, why: '' },
    { text: 'https://h/a.git?commit=c0', want: { ref: 'c0', checksum: 'c0' }, why: 'the commit is the ref' },
  ]
  for (const { text, want, why } of rows) {
    if (want === undefined) t.equal(parseGitRef(text), undefined, `${text} ${why}`)
    else t.match(parseGitRef(text), want, `${text} ${why}`)
  }
  const wrong = [
    '?ref=a&ref=b',
    '?ref=',
    '?x=1',
    '?tag=a&branch=b',
    '?ref=a#b',
    '?submodules=x',
    '?mtime=x',
    '?fetch-by-commit=x',
  ]
  for (const query of wrong)
    t.throws(() => parseGitRef(`https://h/a.git${query}`), { code: 'GIT_REF_INVALID' }, query)
  t.match(parseGitURL('ssh://u:p@h:22/%61'), {
    scheme: 'ssh',
    user: 'u',
    password: 'p',
    host: 'h:22',
    path: '/a',
  })
})

t.test('random words give a value or a ToolError', async t => {
  const part = fc.constantFrom(
    '$',
    '${',
    '}',
    ':-',
    ':?',
    '#',
    '%',
    '/',
    '\\',
    '"',
    "'",
    'A',
    'NO',
    '*',
    '?',
    '<<',
    ' ',
    '[',
    '-',
  )
  const text = fc.array(fc.oneof(part, fc.string({ maxLength: 3 }))).map(parts => parts.join(''))
  const survives = (word: string): void => {
    const works = [
      () => expand(word, { env: ENV }),
      () => matchGlob(word, 'a/b'),
      () => isIgnored([word], 'a/b'),
      () => parseGitRef(word),
      () => parsePorts(word),
    ]
    for (const work of works) onlyToolErrors(work)
  }
  fc.assert(fc.property(text, survives), { numRuns: 3000 })
  t.pass()
})

function onlyToolErrors(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof ToolError)) throw error
  }
}

import fc from 'fast-check'
import t from 'tap'
import {
  familiar,
  formatReference,
  isRefName,
  matchesPattern,
  parseAny,
  parseNormalized,
  parseReference,
  pinned,
  withDefaultTag,
  withDigest,
  withTag,
} from '../src/index.js'

const D = `sha256:${'e'.repeat(64)}`

t.test('parseReference takes what is written', async t => {
  const rows: readonly [text: string, parts: object, why: string][] = [
    ['debian', { path: 'debian' }, 'a path alone'],
    ['debian:12', { path: 'debian', tag: '12' }, 'a tag'],
    ['localhost:5000', { path: 'localhost', tag: '5000' }, 'no slash: a tag, not a port'],
    ['localhost:5000/x', { domain: 'localhost:5000', path: 'x' }, 'a slash: a port'],
    [`x:1@${D}`, { path: 'x', tag: '1', digest: D }, 'tag and digest'],
    ['[::1]:5000/x', { domain: '[::1]:5000', path: 'x' }, 'IPv6'],
    [
      `h.x/${'a'.repeat(255)}`,
      { domain: 'h.x', path: 'a'.repeat(255) },
      'the domain does not count for the length',
    ],
    [`x:${'t'.repeat(128)}`, { path: 'x', tag: 't'.repeat(128) }, 'longest tag'],
  ]
  for (const [text, parts, why] of rows) {
    t.same(parseReference(text), parts, why)
    t.equal(formatReference(parseReference(text)), text, `and back: ${why}`)
  }
})

t.test('parseReference refuses', async t => {
  const rows: readonly [text: string, code: string, why: string][] = [
    ['', 'REFERENCE_INVALID', 'empty'],
    ['Debian', 'REFERENCE_INVALID', 'upper case'],
    ['a//b', 'REFERENCE_INVALID', 'empty component'],
    ['a/../b', 'REFERENCE_INVALID', 'dots'],
    ['-a/b', 'REFERENCE_INVALID', 'leading hyphen'],
    ['a/b_', 'REFERENCE_INVALID', 'trailing separator'],
    ['a___b', 'REFERENCE_INVALID', 'three underscores'],
    ['x:', 'REFERENCE_INVALID', 'empty tag'],
    [`x:${'t'.repeat(129)}`, 'REFERENCE_INVALID', 'tag too long'],
    [`h.x/${'a'.repeat(256)}`, 'REFERENCE_INVALID', 'path too long'],
    [`x@sha256:${'e'.repeat(63)}`, 'DIGEST_INVALID', 'short digest'],
    [`x@md5:${'e'.repeat(32)}`, 'DIGEST_UNSUPPORTED', 'unknown algorithm'],
    ['x\n', 'REFERENCE_INVALID', 'line break'],
    ['[fe80::1%eth0]/x', 'REFERENCE_INVALID', 'zone'],
    ['http://h/x', 'REFERENCE_INVALID', 'a URL'],
    [`${'a/'.repeat(100_000)}!`, 'REFERENCE_INVALID', 'long, and quickly refused'],
  ]
  for (const [text, code, why] of rows) t.throws(() => parseReference(text), { code, status: 1 }, why)
})

t.test('parseNormalized fills in what short names leave out', async t => {
  const rows: readonly [text: string, full: string, short: string, why: string][] = [
    ['debian', 'docker.io/library/debian', 'debian', 'official image'],
    ['me/app:1', 'docker.io/me/app:1', 'me/app:1', 'of a user'],
    ['docker.io/debian', 'docker.io/library/debian', 'debian', 'domain written'],
    ['index.docker.io/me/app', 'docker.io/me/app', 'me/app', 'old domain'],
    ['docker.io/library/a/b', 'docker.io/library/a/b', 'library/a/b', 'library/ with more below it stays'],
    ['localhost/x', 'localhost/x', 'localhost/x', 'localhost is a domain'],
    ['FOO/x', 'FOO/x', 'FOO/x', 'upper case can only be a domain'],
    ['h:1/x', 'h:1/x', 'h:1/x', 'a port makes a domain'],
    [`debian@${D}`, `docker.io/library/debian@${D}`, `debian@${D}`, 'digest'],
  ]
  for (const [text, full, short, why] of rows) {
    const reference = parseNormalized(text)
    t.equal(formatReference(reference), full, why)
    t.equal(familiar(reference), short, `familiar: ${why}`)
  }
  t.throws(() => parseNormalized('f'.repeat(64)), /image ID/, 'an image ID is no name')
  t.throws(() => parseNormalized('h.x/Abc'), /lower case/)
  t.throws(
    () => parseNormalized('docker.io_library/x'),
    /no host name/,
    'a host by its dot, but none with "_"',
  )
})

t.test('tags and digests', async t => {
  t.equal(formatReference(withDefaultTag(parseNormalized('a'))), 'docker.io/library/a:latest')
  t.equal(
    formatReference(withDefaultTag(parseNormalized(`a@${D}`))),
    `docker.io/library/a@${D}`,
    'a digest is enough',
  )
  t.equal(
    formatReference(pinned(parseNormalized(`a:1@${D}`))),
    `docker.io/library/a@${D}`,
    'the digest decides',
  )
  t.equal(formatReference(withTag(withDigest(parseReference('a'), D), '2')), `a:2@${D}`)
  t.throws(() => withTag(parseReference('a'), '.x'), { code: 'REFERENCE_INVALID' })
  t.throws(() => withDigest(parseReference('a'), 'sha256:x'), { code: 'REFERENCE_INVALID' })
})

t.test('parseAny', async t => {
  t.same(parseAny('f'.repeat(64)), { digest: `sha256:${'f'.repeat(64)}` }, 'an image ID')
  t.same(parseAny(D), { digest: D })
  t.equal(parseAny('a').domain, 'docker.io')
})

t.test('matchesPattern', async t => {
  const rows: readonly [pattern: string, text: string, matched: boolean | string][] = [
    ['debian', 'debian:12', true],
    ['debian:1?', 'debian:12', true],
    ['d*n', 'debian', true],
    ['*', 'me/app', false],
    ['*/app', 'me/app:1', true],
    ['me/[a-c]pp', 'me/app', true],
    ['me/[^a]pp', 'me/app', false],
    ['me\\/app', 'me/app', true],
    ['me.app', 'me/app', false],
    ['[', 'x', 'PATTERN_INVALID'],
    ['[z-a]', 'x', 'PATTERN_INVALID'],
    ['x\\', 'x', 'PATTERN_INVALID'],
  ]
  for (const [pattern, text, matched] of rows) {
    const run = (): boolean => matchesPattern(pattern, parseNormalized(text))
    if (typeof matched === 'string') t.throws(run, { code: matched }, pattern)
    else t.equal(run(), matched, `${pattern} ${text}`)
  }
})

t.test('what is formatted is parsed again', async t => {
  const word = fc.stringMatching(/^[a-z0-9]{1,8}([._-][a-z0-9]{1,4}){0,2}$/)
  const reference = fc.record(
    {
      domain: fc.constantFrom('h.example', 'localhost', 'a:5000', '[::1]:1'),
      path: fc.array(word, { minLength: 1, maxLength: 4 }).map(parts => parts.join('/')),
      tag: fc.stringMatching(/^\w[\w.-]{0,20}$/),
      digest: fc.constant(D),
    },
    { requiredKeys: ['domain', 'path'] },
  )
  fc.assert(
    fc.property(reference, value => {
      t.match(parseNormalized(formatReference(value)), value)
    }),
    { numRuns: 200 },
  )
})

t.test('isRefName: names in the index of a layout', async t => {
  const rows: readonly [text: string, valid: boolean, why: string][] = [
    ['latest', true, 'a tag'],
    [`h.x:5000/a/b:1@${D}`, true, 'a whole reference'],
    ['A+b--c', true, 'capitals, and two hyphens'],
    ['', false, 'nothing'],
    ['a---b', false, 'three hyphens'],
    ['a__b', false, 'two underscores, though a path may have them'],
    ['/a', false, 'an empty part'],
    ['a/', false, 'an empty part at the end'],
    ['a b', false, 'a blank'],
    ['a\n', false, 'a line'],
    ['é', false, 'not ASCII'],
    ['a'.repeat(3000), false, 'longer than any reference'],
  ]
  for (const [text, valid, why] of rows) t.equal(isRefName(text), valid, why)
})

/**
 * Judges the packages digest and reference.
 *
 * @module
 */
import { algorithmOf, chainIDs, encodedOf, isDigest, parseDigest } from '@pipelayer/digest'
import { ToolError } from '@pipelayer/errors'
import {
  familiar,
  formatName,
  formatReference,
  GRAMMAR,
  isRefName,
  matchesPattern,
  type NormalizedReference,
  parseAny,
  parseNormalized,
  parseReference,
  pinned,
  type Reference,
  withDefaultTag,
  withDigest,
  withTag,
} from '@pipelayer/reference'
import { attemptRow, same, type Verdict } from './dockerfile.js'

// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
type Row = { id: string; in: any; want: any; policy?: string }
type Adapter = (row: Row) => Verdict

/** Judges `work` by a row that may want an error. */
export function judged<T>(work: () => T, wantsError: boolean, compare: (value: T) => Verdict): Verdict {
  const got = attemptRow(work)
  if (wantsError) return 'refused' in got ? 'pass' : { fail: `accepted: ${JSON.stringify(got.value)}` }
  return 'refused' in got ? { fail: got.refused } : compare(got.value)
}

const parts = (reference: Reference): object => ({
  domain: reference.domain ?? '',
  path: reference.path,
  tag: reference.tag ?? '',
  digest: reference.digest ?? '',
})

const parse: Adapter = ({ in: { input }, want }) =>
  judged(
    () => parseReference(input),
    want.err !== undefined,
    reference =>
      same(
        [
          formatReference(reference),
          formatName(reference),
          reference.domain,
          reference.tag,
          reference.digest,
        ],
        [input, want.repository, want.domain, want.tag, want.digest],
      ),
  )

const valid: Adapter = ({ in: { input }, want }) =>
  judged(
    () => parseNormalized(input),
    want.valid !== true,
    () => 'pass',
  )

const any: Adapter = ({ in: { Reference: text }, want }) =>
  judged(
    () => parseAny(text),
    want.Err !== undefined || want.err !== undefined,
    found => same(isNamed(found) ? formatReference(found) : found.digest, want.Equivalent),
  )

function isNamed(found: ReturnType<typeof parseAny>): found is NormalizedReference {
  return found.domain !== undefined
}

const match: Adapter = ({ in: { pattern, reference }, want }) =>
  judged(
    () => matchesPattern(pattern, parseNormalized(reference)),
    want.err !== undefined,
    matched => same(matched, want.expected ?? false),
  )

const named: Adapter = ({ in: { input }, want }) =>
  judged(
    () => canonical(input),
    want.err !== undefined,
    ({ domain, path }) => same({ domain, path }, { domain: want.domain, path: want.path }),
  )

function canonical(input: string): NormalizedReference {
  const reference = parseNormalized(input)
  if (formatReference(reference) === input) return reference
  throw new ToolError('REFERENCE_INVALID', `not canonical: ${input}`)
}

const identifier: Adapter = ({ in: { input }, want }) => same(GRAMMAR.identifier.test(input), want.match)
const domain: Adapter = ({ in: { input }, want }) => same(GRAMMAR.domain.test(input), want.match)

const groups =
  (pattern: RegExp): Adapter =>
  ({ in: { input }, want }) => {
    const found = pattern.exec(input)
    if (!want.match) return same(found, null)
    return same(
      found?.slice(1).map(group => group ?? ''),
      want.subs ?? found?.slice(1),
    )
  }

const split =
  (read: (text: string) => Reference): Adapter =>
  ({ in: { input }, want }) =>
    judged(
      () => read(input),
      want.err !== undefined,
      ({ domain = '', path }) => same({ domain, path }, { domain: want.domain ?? '', path: want.path }),
    )

const build: Adapter = ({ in: { name, tag, digest }, want }) =>
  judged(
    () => {
      const tagged = tag ? withTag(parseReference(name), tag) : parseReference(name)
      return digest ? withDigest(tagged, digest) : tagged
    },
    want.err !== undefined,
    reference => same(formatReference(reference), want.combined),
  )

const docker: Adapter = ({ in: { input }, want }) =>
  judged(
    () => pinned(parseNormalized(input)),
    want.err !== undefined,
    reference => same(formatReference(reference), want.expected),
  )

const normalize: Adapter = ({ in: { inputs }, want }) => {
  for (const input of [...inputs, want.AmbiguousName || inputs[0]]) {
    const reference = parseNormalized(input)
    const got = [reference.domain, familiar(reference), formatName(reference), reference.path]
    const verdict = same(got, [want.Domain, want.FamiliarName, want.FullName, want.RemoteName])
    if (verdict !== 'pass') return verdict
  }
  return 'pass'
}

const digest: Adapter = ({ in: { Input: input }, want }) =>
  judged(
    () => parseDigest(input),
    want.Err !== undefined,
    found => same([algorithmOf(found), encodedOf(found)], [want.Algorithm, want.Encoded]),
  )

const chain: Adapter = ({ in: { diffids }, want }) => same(chainIDs(diffids), want.chainids)

const ggcr: Adapter = row => {
  const { kind, input, validation } = row.in
  // In that project, strict means fully qualified; we also accept short names.
  if (validation === 'strict' && row.want.valid === false) return 'policy:short-names'
  if (kind === 'registry') return same(GRAMMAR.domain.test(input), row.want.valid)
  const wants = { tag: 'tag', digest: 'digest' }[kind as string]
  const read = (): Reference => {
    const reference = parseNormalized(input)
    if (wants === 'digest' && reference.digest === undefined)
      throw new ToolError('REFERENCE_INVALID', 'no digest')
    if (wants === undefined && formatName(reference) !== formatReference(reference)) {
      throw new ToolError('REFERENCE_INVALID', 'not a name alone')
    }
    return reference
  }
  return judged(read, row.want.valid !== true, () => 'pass')
}

const badHash: Adapter = ({ in: { input }, want }) => same(isDigest(input), want.valid)

const oras: Adapter = row => {
  const { image, raw, input } = row.in
  if (input !== undefined && row.want.wantErr === true)
    return judged(
      () => parseNormalized(input),
      true,
      () => 'pass',
    )
  if (input !== undefined) return 'policy:schemes-in-references'
  if (image?.includes(':@')) return 'policy:empty-tag'
  const wantsError = row.want.error === true
  // That project demands a registry; with us, a name alone is one of Docker Hub.
  if (wantsError && !raw.includes('/')) return 'policy:short-names'
  if (wantsError)
    return judged(
      () => parseNormalized(raw),
      true,
      () => 'pass',
    )
  const { Repository: path = '', Tag: tag = '', Digest: hash = '' } = row.want.wantTemplate
  for (const registry of row.in.registries) {
    const verdict = same(parts(parseNormalized(`${registry}/${image}`)), {
      domain: registry,
      path,
      tag,
      digest: hash,
    })
    if (verdict !== 'pass') return verdict
  }
  return 'pass'
}

const regclient: Adapter = row => {
  const { ref } = row.in
  if (/^[a-z]+:\/\//.test(ref) && typeof row.want.wantE !== 'string') return 'policy:schemes-in-references'
  if (ref === 'localhost:5000') return 'policy:short-names'
  if (/\.[:/]/.test(ref)) return 'policy:domain-grammar'
  const { registry, repository, tag, digest: hash } = row.want
  return judged(
    () => withDefaultTag(parseNormalized(ref)),
    typeof row.want.wantE === 'string',
    reference => same(parts(reference), { domain: registry, path: repository, tag, digest: hash }),
  )
}

const host: Adapter = row => {
  const { host: text } = row.in
  if (/^[a-z]+:\/\//.test(text) && typeof row.want.wantE !== 'string') return 'policy:schemes-in-references'
  if (/\.(?::|$)|^\[/.test(text) && typeof row.want.wantE === 'string') return 'policy:domain-grammar'
  return same(GRAMMAR.domain.test(text), typeof row.want.wantE !== 'string')
}

const sealer: Adapter = ({ in: { input }, want }) => {
  const reference = withDefaultTag(parseNormalized(input))
  // Short names are official images of Docker Hub here, not of sealer.
  if (want.repo.startsWith('sealerio/')) return 'policy:sealer-namespace'
  return same([reference.domain, reference.path, reference.tag], [want.domain, want.repo, want.tag])
}

const containerd: Adapter = ({ in: { Input: input }, want }) => {
  if (want.Err !== undefined)
    return judged(
      () => parseNormalized(input),
      true,
      () => 'pass',
    )
  const { Locator, Object: object = '' } = want.Expected
  const [tag = '', digest = ''] = object.split(/@(.*)/)
  const verdict = judged(
    () => parseNormalized(input),
    false,
    got =>
      same(
        [formatName(got), got.domain, got.tag ?? '', got.digest ?? '', formatReference(got)],
        [Locator, want.Hostname, tag, digest, want.Normalized || input],
      ),
  )
  // The input is an address with a query, or has a digest of an unknown form.
  const isAddress = input.includes('?') || (digest !== '' && !isDigest(digest))
  return verdict !== 'pass' && isAddress ? 'policy:reference-grammar' : verdict
}

const refName: Adapter = ({ in: { refname }, want }) => same(isRefName(refname), want.valid)

export const adapters: Record<string, Adapter> = {
  'reference/parse': parse,
  'reference/names': valid,
  'reference/any-reference': any,
  'reference/pattern-match': match,
  'reference/named': named,
  'reference/re-identifier': identifier,
  'reference/re-domain': domain,
  'reference/re-name': groups(GRAMMAR.name),
  'reference/re-reference': groups(GRAMMAR.reference),
  'reference/domain-path': split(parseReference),
  'reference/split-host': split(parseNormalized),
  'reference/with-tag-digest': build,
  'reference/docker-ref': docker,
  'reference/normalize': normalize,
  'go-digest/parse': digest,
  'image-spec/chainid': chain,
  'containerd/reference': containerd,
  'umoci/refname': refName,
  'ggcr/names': ggcr,
  'ggcr/bad-inputs': badHash,
  'oras/reference': oras,
  'regclient/reference': regclient,
  'regclient/host': host,
  'sealer/reference': sealer,
}

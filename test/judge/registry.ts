/**
 * Judges the package registry: challenges, scopes, credentials, addresses, headers.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  checkTarget,
  cleanActions,
  contentLength,
  endpointOf,
  findLink,
  isLoopback,
  lookUp,
  mergeScopes,
  parseChallenges,
  parseContentRange,
  parseEntry,
  parseWarning,
  refusal,
  repositoryScope,
  simpleType,
} from '@pipelayer/registry'
import { same, type Verdict } from './dockerfile.js'
import { judged } from './reference.js'

// biome-ignore lint/suspicious/noExplicitAny: rows are JSON of many shapes
type Row = { id: string; in: any; want: any; dir?: string; policy?: string; name?: string }
type Context = { dir: string }
type Adapter = (row: Row, context: Context) => Verdict | Promise<Verdict>

const challenge: Adapter = ({ in: { header }, want, policy }) => {
  const got = parseChallenges(header).map(({ scheme, params }) => ({
    scheme,
    params: Object.fromEntries(params),
  }))
  const verdict = want.error === true ? { fail: 'accepted' } : same(got, want.challenges)
  return verdict === 'pass' || (policy === undefined && want.error !== true)
    ? verdict
    : 'policy:lenient-challenges'
}

const scopes: Adapter = ({ in: input, want }) => {
  const { repository, actions, scopes: list = [], scopesInCtx, commonScopes, push, refspec } = input
  if (refspec !== undefined) {
    const path = refspec.Locator.split('/').slice(1).join('/')
    return same(repositoryScope(path, push ? ['pull', 'push'] : ['pull']), want.expected)
  }
  if (scopesInCtx !== undefined || commonScopes !== undefined) {
    const verdict = same(mergeScopes([...(scopesInCtx ?? []), ...(commonScopes ?? [])]), want.expected ?? [])
    return verdict === 'pass' ? verdict : 'policy:merged-scopes'
  }
  if (repository !== undefined) return same(repositoryScope(repository, actions ?? []) ?? '', want.want ?? '')
  if (actions !== undefined) return same(cleanActions(actions), want.want ?? [])
  return same(mergeScopes(list), want.want ?? [])
}

const lookup: Adapter = async (row, { dir }) => {
  const { key, path, legacy } = row.in
  // As in that project, credentials of the caller override every file, so none of the files has them.
  if (legacy?.DockerAuthConfig) return same(legacy.DockerAuthConfig, row.want.expected)
  const folder = join(dir, row.dir ?? '')
  const file = path === null ? undefined : readdirSync(folder).find(name => name.endsWith('.json'))
  const config =
    file && existsSync(join(folder, file)) ? JSON.parse(readFileSync(join(folder, file), 'utf8')) : {}
  const [domain = '', ...rest] = key.replace(/^index\.docker\.io/, 'docker.io').split('/')
  const { username, password, identityToken } = (await lookUp(config, domain, { path: rest.join('/') })) ?? {}
  const got = {
    ...(username && { Username: username }),
    ...(password && { Password: password }),
    ...(identityToken && { IdentityToken: identityToken }),
  }
  return same(got, row.want.expected)
}

const entry: Adapter = ({ in: { json }, want }) =>
  judged(
    () => parseEntry(JSON.parse(json)),
    want.err !== undefined,
    got => {
      const { Username, Password, IdentityToken, RegistryToken } = want.want
      return same(
        [got?.username ?? '', got?.password ?? '', got?.identityToken ?? '', got?.registryToken ?? ''],
        [Username ?? '', Password ?? '', IdentityToken ?? '', RegistryToken ?? ''],
      )
    },
  )

const realm: Adapter = ({ in: { realm: text, url, insecure }, want }) => {
  const target = new URL(text ?? url)
  const registry = new URL(`${insecure ? 'http' : 'https'}://${want.registryHost || 'registry.invalid'}/v2/`)
  const verdict = judged(
    () => checkTarget(target, registry),
    want.wantErr === true,
    () => 'pass',
  )
  const isOtherPort = target.hostname === registry.hostname && target.host !== registry.host
  return verdict !== 'pass' && isOtherPort ? 'policy:realm-same-host' : verdict
}

const localhost: Adapter = ({ in: { host }, want }) => same(isLoopback(host), want.match)

const scheme: Adapter = ({ in: { domain }, want }) => {
  const got = endpointOf(domain).protocol.slice(0, -1)
  const isPrivate =
    /^(?:10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.)/.test(domain) || /\.local(?:host)?(?::|$)/.test(domain)
  return got === 'https' && isPrivate && want.scheme === 'http'
    ? 'policy:private-addresses'
    : same(got, want.scheme)
}

const header = (values: readonly string[]) => ({ header: () => values[0] })

const length: Adapter = ({ in: { headers }, want }) =>
  same(contentLength(header(headers)) ?? -1, want.expected)

const type: Adapter = ({ in: { input }, want }) => same(simpleType(input), want.expected)

const range: Adapter = ({ in: { in: text, input }, want }) => {
  if (input !== undefined) return same(parseContentRange(''), undefined)
  const got = parseContentRange(text)
  if (want.error !== undefined || want.completeLength === undefined) return same(got, undefined)
  return same(
    [got?.first, got?.last, got?.complete ?? -1],
    [want.first ?? 0, want.last ?? 0, want.completeLength],
  )
}

const link: Adapter = ({ in: { headers, parm = 'rel', val = 'next' }, want }) =>
  judged(
    () => findLink(headers.join(', '), parm, val),
    want.error === true,
    got => same(got, want.expectMissing === true ? undefined : want.expectURI),
  )

// Bytes that are not UTF-8 are one character each, as in HTTP headers.
const headerText = (value: string | { hex: string }): string => {
  if (typeof value === 'string') return value
  const bytes = Buffer.from(value.hex, 'hex')
  const text = bytes.toString('utf8')
  return text.includes('\ufffd') ? bytes.toString('latin1') : text
}

const warning: Adapter = ({ in: { header: value }, want }) =>
  same(parseWarning(headerText(value)) ?? '', headerText(want.want ?? want.expected))

// The wording of errors differs; the row checks that the status is in the message, and the text of the registry.
const refused: Adapter = async ({ in: { response } }) => {
  const [head = '', body = ''] = response.split(/\r\n\r\n([\s\S]*)/)
  const status = Number(head.split(' ')[1])
  const answer = {
    status,
    url: new URL('https://h.example/v2/'),
    body: { bytes: async () => Buffer.from(body) },
    header: () => undefined,
  }
  const { message } = await refusal(answer as unknown as Parameters<typeof refusal>[0], { action: 'judge' })
  const said = /"message":"([^"]*)"/.exec(body)?.[1] ?? (body.startsWith('<') ? 'a web page' : body.trim())
  return same([message.includes(`answered ${status}`), message.includes(said)], [true, true])
}

export const adapters: Record<string, Adapter> = {
  'auth/challenge': challenge,
  'auth/scopes': scopes,
  'auth/config-lookup': lookup,
  'auth/docker-config': entry,
  'auth/realm-ssrf': realm,
  'http/localhost': localhost,
  'ggcr/registry-scheme': scheme,
  'http/content-length': length,
  'http/content-type': type,
  'http/content-range': range,
  'http/error-responses': refused,
  'http/link': link,
  'http/warning': warning,
}

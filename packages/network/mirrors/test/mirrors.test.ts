import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { parseHosts } from '../src/hosts-toml.js'
import { mirrorFiles, readHelpers, readMirrors } from '../src/index.js'
import { parseRegistries, routeIn } from '../src/registries-conf.js'

const CONF = `
unqualified-search-registries = ["docker.io"]
[[registry]]
location = "docker.io"
[[registry.mirror]]
location = "mirror.example:5000/hub"
insecure = true
[[registry.mirror]]
location = "digests.example"
pull-from-mirror = "digest-only"
[[registry.mirror]]
location = "tags.example"
pull-from-mirror = "tag-only"
[[registry]]
prefix = "docker.io/evil"
blocked = true
[[registry]]
prefix = "*.corp.example"
[[registry.mirror]]
location = "inside.example/all"
[[registry]]
prefix = "old.example/team"
location = "new.example/people/"
mirror-by-digest-only = true
[[registry.mirror]]
location = "m.example"
`

t.test('registries.conf: where a repository is', async t => {
  const registries = parseRegistries(CONF, 'x.conf')
  const rows: readonly [domain: string, path: string, byDigest: boolean, found: string[], why: string][] = [
    [
      'docker.io',
      'library/a',
      false,
      [
        'mirror.example:5000/hub/library/a',
        'mirror.example:5000/hub/library/a',
        'tags.example/library/a',
        'docker.io/library/a',
      ],
      'by tag; an insecure host twice',
    ],
    [
      'docker.io',
      'library/a',
      true,
      [
        'mirror.example:5000/hub/library/a',
        'mirror.example:5000/hub/library/a',
        'digests.example/library/a',
        'docker.io/library/a',
      ],
      'by digest',
    ],
    [
      'r.corp.example',
      'x',
      false,
      ['inside.example/all/x', 'r.corp.example/x'],
      'a star takes the place of the host',
    ],
    ['corp.example', 'x', false, [], 'the star is not the domain itself'],
    ['old.example', 'team/x', false, ['new.example/people/x'], 'moved; mirrors by digest only'],
    ['old.example', 'team/x', true, ['m.example/x', 'new.example/people/x'], 'moved, by digest'],
    ['old.example', 'teams/x', false, [], 'whole components only'],
    ['other.example', 'x', false, [], 'nothing said'],
  ]
  for (const [domain, where, byDigest, found, why] of rows) {
    const route = routeIn(registries, { domain, path: where, byDigest })
    t.same(route?.endpoints.map(one => `${one.domain}/${one.path}`) ?? [], found, why)
  }
  t.match(routeIn(registries, { domain: 'docker.io', path: 'evil/x', byDigest: true }), { blocked: true })
  const [first, second] =
    routeIn(registries, { domain: 'docker.io', path: 'a', byDigest: true })?.endpoints ?? []
  t.match(first, { plainHttp: false, skipVerify: true }, 'TLS is tried first')
  t.match(second, { plainHttp: true })
})

t.test('registries.conf: broken files', async t => {
  const rows: readonly [text: string, why: string][] = [
    ['[[registry]', 'no TOML'],
    ['[registries.search]\nregistries = ["x"]', 'version 1'],
    ['registry = 1', 'no tables'],
    ['[registry]\nlocation = "x"', 'one table for a list'],
    ['[[registry]]', 'neither prefix nor location'],
    ['[[registry]]\nlocation = 5', 'a number'],
    ['[[registry]]\nlocation = "a"\nblocked = "yes"', 'a string for a boolean'],
    ['[[registry]]\nlocation = "https://a"', 'an address'],
    ['[[registry]]\nprefix = "*.a/b"', 'a star with a path'],
    ['[[registry]]\nprefix = "a*b"', 'a star inside'],
    ['[[registry]]\nlocation = "a"\n[[registry.mirror]]', 'a mirror that is nowhere'],
    [
      '[[registry]]\nlocation = "a"\n[[registry.mirror]]\nlocation = "b"\npull-from-mirror = "x"',
      'an unknown word',
    ],
  ]
  for (const [text, why] of rows) {
    t.throws(
      () => parseRegistries(text, 'x.conf'),
      { code: 'MIRRORS_INVALID', status: 1, message: /"x.conf"/ },
      why,
    )
  }
})

t.test('hosts.toml', async t => {
  const options = { domain: 'docker.io', path: 'library/a', byDigest: false }
  const source = { name: 'hosts.toml', readFile: (file: string) => `<${file}>` }
  const text = `
server = "https://registry-1.docker.io"
[host."https://m.example:5000"]
  capabilities = ["pull"]
  ca = ["a.pem", "b.pem"]
  client = [["c.cert", "c.key"]]
  skip_verify = true
[host."http://plain.example/v2"]
[host."https://push.example"]
  capabilities = ["push"]
[host."https://harbor.example/v2/proxy"]
  override_path = true
  client = "both.pem"
[host."bare.example"]
`
  t.same(parseHosts(text, source, options).endpoints, [
    {
      domain: 'm.example:5000',
      path: 'library/a',
      resolves: false,
      plainHttp: false,
      skipVerify: true,
      authorities: ['<a.pem>', '<b.pem>'],
      identity: { cert: '<c.cert>', key: '<c.key>' },
    },
    { domain: 'plain.example', path: 'library/a', resolves: true, plainHttp: true },
    {
      domain: 'harbor.example',
      path: 'proxy/library/a',
      resolves: true,
      plainHttp: false,
      identity: { cert: '<both.pem>', key: '<both.pem>' },
    },
    { domain: 'bare.example', path: 'library/a', resolves: true },
    { domain: 'docker.io', path: 'library/a', resolves: true, plainHttp: false },
  ])
  const bare = parseHosts('[host."https://m.example"]', source, { ...options, byDigest: true })
  t.same(
    bare.endpoints.map(one => one.domain),
    ['m.example', 'docker.io'],
    'the host itself comes last, unless it has another server',
  )
  const rows: readonly [text: string, why: string][] = [
    ['host = 1', 'no table'],
    ['[host]\n"https://a" = 1', 'no table of a host'],
    ['[host."ftp://a"]', 'another scheme'],
    ['[host."https://u:p@a"]', 'credentials'],
    ['[host."https://a/x"]', 'a path before /v2'],
    ['[host."https://a/v2/x"]', 'a prefix that is not said to be one'],
    ['[host."https://a"]\ncapabilities = [1]', 'no strings'],
    ['[host."https://a"]\nclient = [[1]]', 'no file'],
    ['[host."https://a"]\nskip_verify = "x"', 'no boolean'],
    ['server = "::"', 'no address'],
    ['=', 'no TOML'],
  ]
  for (const [broken, why] of rows)
    t.throws(() => parseHosts(broken, source, options), { code: 'MIRRORS_INVALID' }, why)
})

t.test('which files are read', async t => {
  const dir = t.testdir({
    user: {
      'registries.conf': '[[registry]]\nlocation="a.example"\n[[registry.mirror]]\nlocation="user.example"',
    },
    system: { 'registries.conf': '[[registry]]\nlocation="a.example"\nblocked=true' },
    conf: {
      '1.conf': '[[registry]]\nlocation="b.example"\nblocked=true',
      '2.conf': '[[registry]]\nlocation="b.example"\n[[registry.mirror]]\nlocation="two.example"',
      note: 'x',
    },
    hosts: {
      'c.example': { 'hosts.toml': '[host."https://c.mirror"]\nca = "ca.pem"', 'ca.pem': 'CA' },
      _default: { 'hosts.toml': '[host."https://all.mirror"]' },
    },
    broken: { 'd.example': { 'hosts.toml': '[host."https://m"]\nca = "missing.pem"' } },
  })
  const at = (name: string): string => path.join(dir, name)
  const files = {
    registries: [at('none'), at('user/registries.conf'), at('system/registries.conf')],
    registriesDirs: [at('missing'), at('conf')],
    hostsDirs: [at('hosts')],
  }
  const router = readMirrors(files)
  const hosts = (domain: string): unknown =>
    router({ domain, path: 'x', byDigest: false })?.endpoints.map(one => one.domain)
  t.same(hosts('a.example'), ['user.example', 'a.example'], 'the first file alone')
  t.same(hosts('b.example'), ['two.example', 'b.example'], 'the last word of a folder')
  t.same(hosts('c.example'), ['c.mirror', 'c.example'])
  t.same(router({ domain: 'c.example', path: 'x', byDigest: false })?.endpoints[0]?.authorities, ['CA'])
  t.same(hosts('e.example'), ['all.mirror', 'e.example'], 'all others')
  const helpers: readonly [files: Readonly<Record<string, string>>, want: unknown, why: string][] = [
    [{}, [], 'no file'],
    [{ conf: '' }, [], 'a file that lists none'],
    [{ conf: 'credential-helpers = ["a", "containers-auth.json"]' }, ['a', 'containers-auth.json'], 'a list'],
    [
      { conf: 'credential-helpers = ["a"]', '1.conf': 'credential-helpers = ["b"]' },
      ['b'],
      'the last file counts',
    ],
    [{ conf: 'credential-helpers = ["a"]', '1.conf': '' }, ['a'], 'that has a list'],
    [{ conf: 'credential-helpers = "a"' }, 'MIRRORS_INVALID', 'no list'],
    [{ conf: 'credential-helpers = [1]' }, 'MIRRORS_INVALID', 'a list of numbers'],
  ]
  for (const [written, want, why] of helpers) {
    const folder = fs.mkdtempSync(at('helpers-'))
    for (const [name, text] of Object.entries(written)) fs.writeFileSync(`${folder}/${name}`, text)
    const read = readHelpers({ registries: [`${folder}/conf`], registriesDirs: [folder], hostsDirs: [] })
    if (Array.isArray(want)) t.same(read(), want, `helpers: ${why}`)
    else t.throws(read, { code: String(want) }, `helpers: ${why}`)
  }
  const none = readMirrors({ registries: [], registriesDirs: [], hostsDirs: [] })
  t.equal(none({ domain: 'a', path: 'x', byDigest: false }), undefined)
  const broken = readMirrors({ ...files, hostsDirs: [at('broken')] })
  t.throws(() => broken({ domain: 'd.example', path: 'x', byDigest: false }), { code: 'ENOENT' })
  const folder = readMirrors({ ...files, registries: [dir] })
  t.throws(() => folder({ domain: 'd.example', path: 'x', byDigest: false }), { code: 'EISDIR' })
  t.same(mirrorFiles({ CONTAINERS_REGISTRIES_CONF: '/c', HOME: '/h' }).registries, ['/c'])
  t.same(mirrorFiles({ HOME: '/h' }).registries, [
    '/h/.config/containers/registries.conf',
    '/etc/containers/registries.conf',
  ])
  t.same(mirrorFiles({ HOME: '/h' }).registriesDirs, [
    '/etc/containers/registries.conf.d',
    '/h/.config/containers/registries.conf.d',
  ])
})

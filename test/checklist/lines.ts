/**
 * Where each line of the checklist of bad inputs is held: what it says, the test's file, and words that stand in it.
 *
 * @module
 */

export interface Line {
  readonly section: 'documents' | 'transfers' | 'builds' | 'running'
  readonly says: string
  /** From the root of the project. */
  readonly file: string
  /** As they stand in the file. */
  readonly words: readonly string[]
}

const MANIFESTS = 'test/checklist/manifests.ts'
const TRANSFERS = 'test/checklist/transfers.ts'
const BUILDS = 'test/checklist/builds.ts'
const OCI = 'packages/formats/oci/test/oci.test.ts'
const AUTH = 'packages/network/registry/test/auth.test.ts'
const PULL = 'packages/network/registry/test/pull.test.ts'
const RESUME = 'packages/network/registry/test/resume.test.ts'
const LISTING = 'packages/network/registry/test/listing.test.ts'
const KF_RUN = 'tools/kf-run/test/kf-run.test.ts'
const SYNTAX = 'packages/languages/dockerfile/test/syntax.test.ts'
const BUNDLE = 'tools/bundle-gen/test/bundle-gen.test.ts'

const lines = (section: Line['section'], rows: readonly (readonly [string, string, ...string[]])[]): Line[] =>
  rows.map(([says, file, ...words]) => ({ section, says, file, words }))

export const LINES: readonly Line[] = [
  ...lines('documents', [
    ['manifest and index in one', MANIFESTS, 'CVE-2021-41190', 'GHSA-qq97-vm5h-rrhg'],
    ['Content-Type and mediaType differ', MANIFESTS, 'GHSA-5j5w-g665-5m35'],
    ['other bytes for a digest', MANIFESTS, 'CVE-2025-24882', 'with their own digest in the header'],
    [
      'short and unknown digests',
      MANIFESTS,
      'too short',
      'in capitals',
      'nobody knows',
      'sha512 is an algorithm',
    ],
    ['digests that are paths', MANIFESTS, 'CVE-2024-3727'],
    [
      'broken JSON',
      MANIFESTS,
      'a key twice',
      'bytes behind',
      'byte-order mark',
      'nested deeply',
      'no double holds',
    ],
    ['manifests: null', MANIFESTS, 'umoci 0.5.1'],
    ['sizes that are wrong', MANIFESTS, 'larger than said', 'smaller than said', 'of no bytes'],
    ['loops and crowds of indexes', MANIFESTS, 'without end', 'an index of itself', '100,000 entries'],
    ['data beside its digest', MANIFESTS, 'data that does not match'],
    [
      'configs that do not fit',
      MANIFESTS,
      'CVE-2021-20291',
      'a diff_id of other content',
      'a history that is short',
    ],
    ['schema 1', MANIFESTS, 'a manifest of schema 1'],
    ['labels that look like control', MANIFESTS, 'CVE-2026-53488'],
    ['the same by the reader alone', OCI, 'manifests that are refused'],
  ]),
  ...lines('transfers', [
    ['foreign URLs', TRANSFERS, 'CVE-2020-15157'],
    ['redirects with credentials', TRANSFERS, 'ggcr#2349', 'GO-2026-5822'],
    ['no credentials across origins, schemes or ports', AUTH, 'redirects take no credentials along'],
    ['a stranger asks for a password', AUTH, 'a 401 of another host has no say'],
    ['realms in the network', TRANSFERS, 'ggcr#2243', '0.0.0.0', '[::]'],
    [
      'token server, upload, layer and link elsewhere',
      TRANSFERS,
      'ggcr#2292',
      'ggcr#2295',
      'ggcr#2293',
      'GHSA-h7vf-4x9w-h99v',
    ],
    ['addresses by their range', AUTH, 'addresses that servers send us to'],
    ['pages without end', TRANSFERS, 'oras-go#1214'],
    [
      'bodies without end',
      TRANSFERS,
      'a token without end',
      'an error without end',
      'ggcr#1711',
      'a blob without end',
    ],
    ['referrers without end', LISTING, 'lists of a hostile registry', 'referrers'],
    ['200 for 206', RESUME, '200 in place of 206'],
    ['206 with another range', RESUME, 'another size', 'more than asked for'],
    ['206 without a range', RESUME, 'no Content-Range'],
    ['416', RESUME, 'a 416 is asked for all of it', 'a 416 whatever is asked'],
    ['closed ranges only', RESUME, '`- 5-$' + '{LAST}`'],
    ['no Accept-Ranges', RESUME, 'a server that never did'],
    ['one part starves', RESUME, 'each part goes on by itself'],
    ['Content-Encoding on blobs', TRANSFERS, 'compressed on its way'],
    ['identity is asked for', PULL, 'no compression is asked for'],
    ['login pages', TRANSFERS, 'a login page'],
    ['odd challenges', TRANSFERS, 'a 401 without a challenge', 'two challenges'],
    ['access_token', TRANSFERS, 'only called access_token'],
    ['404 for 401', TRANSFERS, '404 in place of 401'],
    ['429 with a date', TRANSFERS, '429 that gives a date'],
    ['a cut without a word', TRANSFERS, 'with no word of it'],
    ['HEAD lies', TRANSFERS, 'HEAD says yes'],
    ['a mount lies', TRANSFERS, 'a mount that is promised'],
    ['Locations', TRANSFERS, 'with a query of its own', 'below the one before'],
    ['secrets in logs', TRANSFERS, 'told to nobody'],
    ['secrets in argv', 'tools/registry-login/test/registry-login.test.ts', 'passwordStdin'],
  ]),
  ...lines('builds', [
    ['symlinks of the context', BUILDS, 'CVE-2026-44517', 'GHSA-49p4-px3h-rq49', "ko's kodata"],
    ['subdirectories of git that leave it', 'tools/kf-run/test/remote.test.ts', 'CVE-2026-33748'],
    ['sources of mounts', BUILDS, 'CVE-2024-1753', 'CVE-2024-11218', 'CVE-2026-23651'],
    ['targets of mounts', BUILDS, 'CVE-2024-9407', 'CVE-2026-23652'],
    ['caches', BUILDS, 'CVE-2024-9675', 'a cache of what a stage left'],
    ['removing by ..', BUILDS, 'buildkit@4ed7a2ff3'],
    ['the environment of the builder', BUILDS, 'CVE-2021-3602', 'nor with a runtime'],
    ['secrets', BUILDS, 'a secret leaves with its step', 'a secret that a step fails with'],
    ['/etc/passwd', BUILDS, 'names nobody', 'a huge /etc/passwd'],
    ['.dockerignore', KF_RUN, 'stages, arguments, ignore files'],
    ['.dockerignore that is a symlink', BUILDS, '.dockerignore that is a symlink'],
    [
      'a Dockerfile that is a symlink, and one of 100 MB',
      'test/build-checklist.test.ts',
      'a symlink',
      '100 MB',
    ],
    [
      '.dockerignore that is no ordinary file',
      'test/build-checklist.test.ts',
      'a directory is none',
      'negations',
    ],
    ['Dockerfiles that are refused', 'test/build-checklist.test.ts', 'two byte-order marks', 'a huge line'],
    ['escape, CRLF, NUL', SYNTAX, 'CRLF', 'a NUL byte'],
    ['a byte-order mark', 'test/build-checklist.test.ts', 'byte-order mark'],
  ]),
  ...lines('running', [
    ['WORKDIR in /proc', BUILDS, 'CVE-2024-21626'],
    ['WORKDIR in /proc, of a bundle', BUNDLE, 'CVE-2024-21626'],
    [
      'capabilities that are inherited',
      'packages/execution/containers/test/containers.test.ts',
      'CVE-2022-27649',
    ],
    ['ids that wrap', 'packages/execution/containers/test/containers.test.ts', 'CVE-2024-40635'],
    ['labels and annotations', BUNDLE, 'annotations; a label wins'],
    ['HOME of the image', BUNDLE, "the image's HOME stays"],
    ['volumes are no paths of the host', BUNDLE, "Volumes: { '/v': {} }"],
  ]),
]

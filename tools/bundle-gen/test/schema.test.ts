// config.json by the JSON schema of the runtime-spec, which Debian has in a package.

import fs from 'node:fs'
import path from 'node:path'
import { type AnyRecord, collect } from '@pipelayer/records'
import { need, tempDir } from '@pipelayer/testkit'
import Ajv from 'ajv'
import t from 'tap'
import { type BundleGenOptions, bundleGen } from '../src/index.js'

const PACKAGE = 'golang-github-opencontainers-specs-dev'
const SCHEMAS = '/usr/share/gocode/src/github.com/opencontainers/runtime-spec/schema'
const skip = fs.existsSync(SCHEMAS) ? false : need(PACKAGE)

/** The schemas are of draft 4, of which they use nothing that later drafts lack. */
function validator(): (document: unknown) => unknown {
  const ajv = new Ajv.default({ strict: false, allErrors: true })
  for (const name of fs.readdirSync(SCHEMAS).filter(each => /^(config|defs)/.test(each))) {
    const { $schema, ...schema } = JSON.parse(fs.readFileSync(path.join(SCHEMAS, name), 'utf8'))
    ajv.addSchema(schema, name)
  }
  const validate = ajv.getSchema('config-schema.json')
  if (validate === undefined) throw new Error('the schema is not there')
  return document => (validate(document) ? [] : validate.errors)
}

async function* image(): AsyncGenerator<AnyRecord> {
  const config = {
    Cmd: ['a'],
    Env: ['A=b'],
    Labels: { l: '1' },
    Volumes: { '/v': {} },
    ExposedPorts: { '80/tcp': {} },
  }
  yield { type: 'config', image: '1', config: { architecture: 'amd64', os: 'linux', config } }
}

t.test('bundles of all kinds', { skip }, async t => {
  const errorsOf = validator()
  const profile = path.join(tempDir(t, 'profile'), 'profile.json')
  fs.writeFileSync(
    profile,
    JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64'],
      flags: ['SECCOMP_FILTER_FLAG_LOG'],
      syscalls: [{ names: ['mkdir'], action: 'SCMP_ACT_ERRNO', errnoRet: 95 }],
    }),
  )
  const idMap = {
    uid: [
      [0, 5, 1],
      [1, 9, 9],
    ],
    gid: [
      [0, 5, 1],
      [1, 9, 9],
    ],
  } as const
  const connector = { kind: 'pasta', program: '/pasta', nameServer: '10.0.0.1' } as const
  const rows: readonly [options: Partial<BundleGenOptions>, why: string][] = [
    [{}, 'the least'],
    [
      { seccomp: 'unconfined', network: 'none', readOnly: true, hostname: 'box', terminal: true },
      'no filter',
    ],
    [{ seccomp: profile, capAdd: ['SYS_ADMIN'], user: '5:6' }, 'a profile'],
    [
      { memory: '64m', memorySwap: '128m', cpus: '1.5', pidsLimit: '9', ulimit: ['nofile=9', 'core=-1'] },
      'limits',
    ],
    [{ tmpfs: ['/t'], volume: ['/etc:/e:ro'], mount: ['type=tmpfs,dst=/m'], label: ['a=b'] }, 'mounts'],
    [{ network: 'private', publish: ['1:2'], connect: () => connector }, 'hooks'],
    [{ rootless: { uid: 5, gid: 5, idMap } }, 'a user namespace'],
    [{ inside: idMap }, 'in a user namespace'],
  ]
  for (const [options, why] of rows) {
    const bundle = tempDir(t, 'schema')
    fs.mkdirSync(path.join(bundle, 'rootfs'))
    await collect(bundleGen(image(), { bundle, outer: {}, ...options }))
    t.same(errorsOf(JSON.parse(fs.readFileSync(path.join(bundle, 'config.json'), 'utf8'))), [], why)
  }
  t.not((errorsOf({ ociVersion: '1.0.2', root: {} }) as unknown[]).length, 0, 'a wrong document is seen')
})

// Bundles: what they contain for an image's config, what is refused, and that a runtime takes the result.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { type AnyRecord, collect } from '@pipelayer/records'
import { need, type Scope, tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { type BundleGenOptions, bundleGen } from '../src/index.js'

async function* stream(...records: AnyRecord[]): AsyncGenerator<AnyRecord> {
  yield* records
}

const record = (config: object, more: object = {}): AnyRecord => ({
  type: 'config',
  image: '1',
  config: { architecture: 'amd64', os: 'linux', config, ...more },
})

/** A bundle folder with a small root filesystem. */
function folder(t: Scope): string {
  const dir = tempDir(t, 'bundle')
  const etc = path.join(dir, 'rootfs/etc')
  fs.mkdirSync(etc, { recursive: true })
  fs.writeFileSync(path.join(etc, 'passwd'), 'root:x:0:0::/root:\njoe:x:1000:100::/home/joe:\n')
  fs.writeFileSync(path.join(etc, 'group'), 'wheel:x:10:joe\n')
  return dir
}

// biome-ignore lint/suspicious/noExplicitAny: a document of many shapes
type Spec = any

async function specOf(
  dir: string,
  config: AnyRecord,
  options: Partial<BundleGenOptions> = {},
): Promise<Spec> {
  const records = await collect(bundleGen(stream(config), { bundle: dir, ...options }))
  t.match(records.at(-1), { type: 'bundle', path: dir, rootfs: path.join(dir, 'rootfs') })
  return JSON.parse(fs.readFileSync(path.join(dir, 'config.json'), 'utf8'))
}

t.test('what the config becomes', async t => {
  const rows: readonly [config: object, options: Partial<BundleGenOptions>, want: object, why: string][] = [
    [
      { Cmd: ['a'] },
      {},
      {
        process: { args: ['a'], cwd: '/', user: { uid: 0, gid: 0 } },
        root: { path: 'rootfs', readonly: false },
      },
      'the least',
    ],
    [{ Entrypoint: ['e'], Cmd: ['c'] }, {}, { process: { args: ['e', 'c'] } }, 'entrypoint, then command'],
    [
      { Entrypoint: ['e'], Cmd: ['c'] },
      { command: ['x', 'y'] },
      { process: { args: ['e', 'x', 'y'] } },
      'a command replaces the command',
    ],
    [{ Cmd: null, Entrypoint: null }, { command: ['x'] }, { process: { args: ['x'] } }, 'null is absent'],
    [
      { Cmd: ['a'], WorkingDir: '/w', User: 'joe' },
      {},
      { process: { cwd: '/w', user: { uid: 1000, gid: 100, additionalGids: [10] } } },
      'user and groups of the image',
    ],
    [
      { Cmd: ['a'], Env: ['HOME=/x', 'A=b'] },
      {},
      { process: { env: [/^PATH=/, 'HOME=/x', 'A=b'] } },
      "the image's HOME stays",
    ],
    [
      { Cmd: ['a'], User: 'joe', Env: ['PATH=/p'] },
      { terminal: true },
      { process: { terminal: true, env: ['TERM=xterm', 'PATH=/p', 'HOME=/home/joe'] } },
      'HOME of passwd',
    ],
    [
      {
        Cmd: ['a'],
        StopSignal: 'SIGQUIT',
        ExposedPorts: { '80/tcp': {}, '443/tcp': {} },
        Labels: { 'org.opencontainers.image.os': 'mine', l: '1' },
      },
      {},
      {
        annotations: {
          'org.opencontainers.image.stopSignal': 'SIGQUIT',
          'org.opencontainers.image.exposedPorts': '443/tcp,80/tcp',
          'org.opencontainers.image.os': 'mine',
          l: '1',
        },
      },
      'annotations; a label wins',
    ],
    [{ Cmd: ['a'] }, { readOnly: true }, { root: { readonly: true } }, 'read-only'],
  ]
  for (const [config, options, want, why] of rows)
    t.match(await specOf(folder(t), record(config), options), want, why)
  const volumes = await specOf(folder(t), record({ Cmd: ['a'], Volumes: { '/v': {} } }), { readOnly: true })
  t.ok(volumes.mounts.some((mount: Spec) => mount.destination === '/v' && mount.type === 'tmpfs'))
  const rootless = await specOf(folder(t), record({ Cmd: ['a'] }), { rootless: { uid: 5, gid: 6 } })
  t.match(rootless.linux.uidMappings, [{ containerID: 0, hostID: 5, size: 1 }])
})

t.test('what is refused', async t => {
  const rows: readonly [config: object, options: Partial<BundleGenOptions>, code: string, why: string][] = [
    [{}, {}, 'COMMAND_MISSING', 'nothing to start'],
    [{ Cmd: 'a' }, {}, 'CONFIG_INVALID', 'not a list'],
    [{ Cmd: ['a'], User: 'ann' }, {}, 'USER_UNKNOWN', 'a user that is not there'],
    [{ Cmd: ['a'], User: '4294967296' }, {}, 'USER_INVALID', 'an id that wraps to root'],
    [{ Cmd: ['a'], WorkingDir: '/proc/self/fd/8' }, {}, 'WORKDIR_INVALID', 'CVE-2024-21626'],
    [{ Cmd: ['a'], WorkingDir: '/away/fd/8' }, {}, 'WORKDIR_INVALID', 'the same by a symlink'],
    [{ Cmd: ['a'], User: 'joe' }, { rootless: { uid: 5, gid: 6 } }, 'USER_NOT_MAPPED', 'one id only'],
    [{ Cmd: ['a'] }, { rootfs: '/nowhere' }, 'ROOTFS_MISSING', 'no root filesystem'],
  ]
  for (const [config, options, code, why] of rows) {
    const dir = folder(t)
    fs.symlinkSync('/proc/self', path.join(dir, 'rootfs/away'))
    await t.rejects(collect(bundleGen(stream(record(config)), { bundle: dir, ...options })), { code }, why)
    t.notOk(fs.existsSync(path.join(dir, 'config.json')), `${why}: nothing written`)
  }
  const dir = folder(t)
  fs.rmSync(path.join(dir, 'rootfs/etc/passwd'))
  fs.writeFileSync(path.join(dir, 'outside'), 'daemon:x:1:1::/:\n')
  fs.symlinkSync(path.join(dir, 'outside'), path.join(dir, 'rootfs/etc/passwd'))
  const daemon = collect(bundleGen(stream(record({ Cmd: ['a'], User: 'daemon' })), { bundle: dir }))
  await t.rejects(daemon, { code: 'USER_UNKNOWN' }, 'a symlink does not lead out of the root')
  await t.rejects(collect(bundleGen(stream(), { bundle: dir })), { code: 'CONFIG_MISSING' })
  const two = stream(record({ Cmd: ['a'] }), record({ Cmd: ['b'] }))
  await t.rejects(collect(bundleGen(two, { bundle: dir })), { code: 'CONFIG_AMBIGUOUS' })
})

t.test('mount points that are no directories', async t => {
  const host = tempDir(t, 'host')
  const options = (dir: string, said: string[]): BundleGenOptions => ({
    bundle: dir,
    onWarning: message => said.push(message),
  })
  const rows: readonly [target: string, why: string][] = [
    [host, 'an absolute symlink to a folder of the host'],
    ['/nowhere', 'one to nothing'],
    ['etc', 'a relative one'],
  ]
  for (const name of ['dev', 'proc', 'sys'])
    for (const [target, why] of rows) {
      const dir = folder(t)
      const said: string[] = []
      const place = path.join(dir, 'rootfs', name)
      fs.symlinkSync(target, place)
      await collect(bundleGen(stream(record({ Cmd: ['a'] })), options(dir, said)))
      t.ok(fs.lstatSync(place).isDirectory(), `/${name}, ${why}: a runtime finds a directory`)
      t.match(said, [`"/${name}" of the root filesystem was a symlink to "${target}"`], 'and that is said')
      await collect(bundleGen(stream(record({ Cmd: ['a'] })), options(dir, said)))
      t.equal(said.length, 1, 'a directory stays as it is')
    }
  t.same(fs.readdirSync(host), [], 'nothing is made where a symlink led')
  const dir = folder(t)
  fs.writeFileSync(path.join(dir, 'rootfs/sys'), '')
  const file = collect(bundleGen(stream(record({ Cmd: ['a'] })), options(dir, [])))
  await t.rejects(file, { code: 'MOUNT_POINT_INVALID' }, 'a file is refused')
  t.notOk(fs.existsSync(path.join(dir, 'config.json')), 'and nothing written')
})

t.test('runc takes it', { skip: need('root', 'runc', 'busybox') }, async t => {
  const dir = folder(t)
  fs.mkdirSync(path.join(dir, 'rootfs/bin'))
  fs.copyFileSync('/bin/busybox', path.join(dir, 'rootfs/bin/sh'))
  const outside = tempDir(t, 'outside')
  fs.symlinkSync(outside, path.join(dir, 'rootfs/dev'))
  const config = {
    Cmd: ['sh', '-c', 'echo "$(id -u) $(id -G) $(pwd) $HOME"'],
    User: 'joe',
    WorkingDir: '/etc',
  }
  await specOf(dir, record(config), { network: 'none' })
  const state = path.join(dir, 'state')
  const { stdout, stderr } = spawnSync(
    'runc',
    ['--root', state, 'run', '--bundle', dir, `bundle-gen-${process.pid}`],
    { encoding: 'utf8' },
  )
  t.equal(stdout.trim(), '1000 100 10 /etc /home/joe', stderr)
  t.same(fs.readdirSync(outside), [], 'a symlink in place of /dev leads runc to no folder of the host')
})

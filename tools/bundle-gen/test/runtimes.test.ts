// What runc and crun make of a bundle with many options.

import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { type AnyRecord, collect } from '@pipelayer/records'
import { need, tempDir } from '@pipelayer/testkit'
import t, { type Test } from 'tap'
import { type BundleGenOptions, bundleGen } from '../src/index.js'

const skip = need('root', 'runc', 'crun', 'busybox')
const RUNTIMES = ['runc', 'crun'] as const

const PRINT = `
id -u; id -G; pwd; hostname; cat /etc/hostname; echo "$A $B"
grep -E '^(CapEff|CapBnd|Seccomp):' /proc/self/status | tr -d '\\t'
touch /no 2>&1 | sed 's/.*: //'; touch /t/yes && echo tmpfs; cat /data/f; touch /data/g 2>&1 | sed 's/.*: //'
cat /link/f; ulimit -n; ls /sys/class/net
`

async function* image(script: string): AsyncGenerator<AnyRecord> {
  const config = { Cmd: ['sh', '-c', script] }
  yield { type: 'config', image: '1', config: { architecture: 'amd64', os: 'linux', config } }
}

function bundleDir(t: Test): string {
  const dir = tempDir(t, 'runtimes')
  for (const name of ['rootfs/bin', 'rootfs/etc', 'rootfs/tmp', 'data'])
    fs.mkdirSync(path.join(dir, name), { recursive: true })
  fs.copyFileSync('/bin/busybox', path.join(dir, 'rootfs/bin/busybox'))
  for (const name of 'sh id pwd hostname cat grep tr touch sed ls mkdir'.split(' '))
    fs.symlinkSync('busybox', path.join(dir, 'rootfs/bin', name))
  fs.writeFileSync(path.join(dir, 'rootfs/etc/passwd'), 'joe:x:7:8::/:\n')
  fs.writeFileSync(path.join(dir, 'rootfs/etc/group'), 'more:x:9:joe\n')
  fs.writeFileSync(path.join(dir, 'data/f'), 'data\n')
  return dir
}

/** Runs the bundle; what the runtime itself said comes with a status of its own. */
function run(runtime: string, dir: string): { readonly status: number | null; readonly text: string } {
  const state = path.join(dir, `state-${runtime}`)
  const args = ['--root', state, 'run', '--bundle', dir, `bundle-gen-${runtime}-${process.pid}`]
  const { status, stdout, stderr } = spawnSync(runtime, args, { encoding: 'utf8' })
  return { status, text: stdout + stderr }
}

/** Whether a runtime can run a container without any wish here: crun knows no machine with cgroups of both versions. */
async function runsHere(t: Test, runtime: string): Promise<boolean> {
  const dir = bundleDir(t)
  await collect(bundleGen(image('echo runs'), { bundle: dir, seccomp: 'unconfined' }))
  const { status, text } = run(runtime, dir)
  if (status === 0) return true
  t.equal(runtime, 'crun', `only crun may fail here: ${text}`)
  t.match(text, /cgroup/, 'and for the reason that it does not know these cgroups')
  return false
}

t.test('many options', { skip }, async t => {
  for (const runtime of RUNTIMES) {
    if (!(await runsHere(t, runtime))) continue
    const dir = bundleDir(t)
    const outside = tempDir(t, 'outside')
    fs.symlinkSync(outside, path.join(dir, 'rootfs/link'))
    const options: Partial<BundleGenOptions> = {
      user: 'joe',
      workdir: '/made/here',
      hostname: 'box',
      env: ['A=1', 'B=two words'],
      network: 'none',
      capDrop: ['ALL'],
      capAdd: ['CHOWN'],
      tmpfs: ['/t:mode=1777'],
      volume: [`${dir}/data:/data:ro`, `${dir}/data:/link`],
      ulimit: ['nofile=100:200'],
    }
    await collect(bundleGen(image(PRINT), { bundle: dir, ...options }))
    const { status, text } = run(runtime, dir)
    t.equal(status, 0, `${runtime}: ${text}`)
    const want = [
      ...['7', '8 9', '/made/here', 'box', 'box', '1 two words'],
      ...['CapEff:0000000000000000', 'CapBnd:0000000000000001', 'Seccomp:2'],
      ...['Permission denied', 'tmpfs', 'data', 'Read-only file system', 'data', '100', 'lo'],
    ]
    t.same(text.trim().split('\n'), want, runtime)
    t.same(fs.readdirSync(outside), [], `${runtime}: a symlink leads to no folder of the host`)
  }
})

t.test('filters of system calls', { skip }, async t => {
  const rule = { names: ['mkdir', 'mkdirat', 'no_such_call'], action: 'SCMP_ACT_ERRNO', errnoRet: 95 }
  for (const runtime of RUNTIMES) {
    if (!(await runsHere(t, runtime))) continue
    const dir = bundleDir(t)
    const profile = path.join(dir, 'profile.json')
    fs.writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] }))
    const print = 'grep ^Seccomp: /proc/self/status | tr -d "\\t"; mkdir /tmp/new 2>&1 | sed "s/.*: //"'
    for (const [seccomp, want] of [
      [profile, 'Seccomp:2\nOperation not supported\n'],
      ['default', 'Seccomp:2\n'],
      ['unconfined', 'Seccomp:0\n'],
    ] as const) {
      await collect(bundleGen(image(print), { bundle: dir, seccomp }))
      t.same(run(runtime, dir), { status: 0, text: want }, `${runtime}, ${seccomp}`)
      fs.rmSync(path.join(dir, 'rootfs/tmp/new'), { recursive: true, force: true })
    }
  }
})

// Seccomp profiles: what they become for a container and a machine, what is refused, and what our own table allows.

import fs from 'node:fs'
import path from 'node:path'
import { tempDir } from '@pipelayer/testkit'
import t from 'tap'
import { DEFAULT_CAPABILITIES } from '../src/runtime-spec.js'
import { seccompFilter } from '../src/seccomp.js'
import { parseProfile } from '../src/seccomp-parse.js'
import { type SeccompTarget, seccompOf } from '../src/seccomp-profile.js'
import { OWN_PROFILE } from '../src/seccomp-table.js'

const TARGET: SeccompTarget = { arch: 'x64', kernel: '6.1.0-13-amd64', capabilities: DEFAULT_CAPABILITIES }

interface Rule {
  readonly names: readonly string[]
  readonly action: string
  readonly errnoRet?: number
  readonly args?: readonly object[]
}

function rulesOf(filter: unknown): readonly Rule[] {
  return (filter as { readonly syscalls: readonly Rule[] }).syscalls
}

/** What a filter says to a call: the actions of its rules, with `?` where arguments decide. */
function answer(filter: unknown, call: string): string {
  const rules = rulesOf(filter).filter(({ names }) => names.includes(call))
  return rules
    .map(({ action, errnoRet = '', args }) => `${action.slice(9)}${errnoRet}${args ? '?' : ''}`)
    .sort()
    .join(' ')
}

t.test('conditions of rules', async t => {
  const one = { names: ['one'], action: 'SCMP_ACT_ALLOW' }
  const rows: readonly [filters: object, is: boolean, why: string][] = [
    [{}, true, 'no condition'],
    [{ includes: null, excludes: null, args: null, comment: '' }, true, 'null for none, as Go writes it'],
    [{ includes: { caps: ['CAP_CHOWN'] } }, true, 'a capability that the container has'],
    [{ includes: { caps: ['CAP_CHOWN', 'CAP_SYS_ADMIN'] } }, false, 'all are needed'],
    [{ excludes: { caps: ['CAP_SYS_ADMIN', 'CAP_CHOWN'] } }, false, 'any excludes'],
    [{ excludes: { caps: ['CAP_SYS_ADMIN'] } }, true, 'a capability that it does not have'],
    [{ includes: { arches: ['arm64', 'amd64'] } }, true, 'this architecture'],
    [{ includes: { arches: ['arm64'] } }, false, 'another one'],
    [{ excludes: { arches: ['amd64'] } }, false, 'not this one'],
    [{ includes: { minKernel: '4.8' } }, true, 'an older kernel'],
    [{ includes: { minKernel: '6.1' } }, true, 'the same kernel'],
    [{ includes: { minKernel: '6.10' } }, false, 'versions are numbers, not fractions'],
    [{ includes: { minKernel: '10.0' } }, false, 'and not texts'],
    [{ excludes: { minKernel: '4.8' } }, false, 'not from this kernel on'],
    [{ includes: { caps: ['CAP_CHOWN'], arches: ['arm64'] } }, false, 'all conditions must hold'],
  ]
  for (const [filters, is, why] of rows) {
    const text = JSON.stringify({ defaultAction: 'SCMP_ACT_ERRNO', syscalls: [{ ...one, ...filters }] })
    t.equal(rulesOf(seccompOf(parseProfile(text, 'f'), TARGET)).length, is ? 1 : 0, why)
  }
})

t.test('the whole of a profile', async t => {
  const profile = {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 1,
    defaultErrno: 'ENOSYS',
    archMap: [
      { architecture: 'SCMP_ARCH_AARCH64', subArchitectures: ['SCMP_ARCH_ARM'] },
      { architecture: 'SCMP_ARCH_X86_64', subArchitectures: ['SCMP_ARCH_X86', 'SCMP_ARCH_X32'] },
    ],
    flags: ['SECCOMP_FILTER_FLAG_LOG'],
    syscalls: [
      { name: 'old', action: 'SCMP_ACT_ALLOW' },
      { names: ['none', 'no_such_call'], action: 'SCMP_ACT_ERRNO', errno: 'EPERM', errnoRet: 38 },
      {
        names: ['personality'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: 4294967295, valueTwo: 0, op: 'SCMP_CMP_EQ' }],
      },
      { names: [], action: 'SCMP_ACT_ALLOW' },
    ],
  }
  const want = {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: 38,
    architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
    flags: ['SECCOMP_FILTER_FLAG_LOG'],
    syscalls: [
      { names: ['old'], action: 'SCMP_ACT_ALLOW' },
      { names: ['none', 'no_such_call'], action: 'SCMP_ACT_ERRNO', errnoRet: 1 },
      {
        names: ['personality'],
        action: 'SCMP_ACT_ALLOW',
        args: [{ index: 0, value: 4294967295, op: 'SCMP_CMP_EQ' }],
      },
    ],
  }
  t.same(seccompOf(parseProfile(JSON.stringify(profile), 'f'), TARGET), want, 'an errno by name wins')
  const own = { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_ARM'], syscalls: null }
  t.same(
    seccompOf(parseProfile(JSON.stringify(own), 'f'), TARGET),
    { defaultAction: 'SCMP_ACT_ALLOW', architectures: ['SCMP_ARCH_ARM'], syscalls: [] },
    'architectures as the runtime spec has them',
  )
  const mips = seccompOf(parseProfile(JSON.stringify(profile), 'f'), { ...TARGET, arch: 'mips' })
  t.notOk('architectures' in mips, 'an architecture that the map lacks is the runtime’s own')
})

t.test('what is refused', async t => {
  const rule = { names: ['a'], action: 'SCMP_ACT_ALLOW' }
  const base = { defaultAction: 'SCMP_ACT_ERRNO' }
  const argument = { index: 0, value: 0, op: 'SCMP_CMP_EQ' }
  const rows: readonly [text: string | object, said: RegExp][] = [
    ['', /is no JSON/],
    ['{"defaultAction":', /is no JSON/],
    ['[]', /the profile is no object/],
    [{}, /defaultAction cannot be missing/],
    [{ defaultAction: 'SCMP_ACT_MAYBE' }, /defaultAction cannot be "SCMP_ACT_MAYBE"/],
    [{ ...base, defaultErrno: 'ENOTHING' }, /there is no errno "ENOTHING"/],
    [{ ...base, defaultErrnoRet: -1 }, /defaultErrnoRet is no number/],
    [{ ...base, syscalls: {} }, /syscalls is no list/],
    [{ ...base, syscalls: [1] }, /syscalls\[0\] is no object/],
    [{ ...base, syscalls: [rule, { ...rule, action: 'ALLOW' }] }, /syscalls\[1\].action cannot be "ALLOW"/],
    [{ ...base, syscalls: [{ ...rule, names: ['A B'] }] }, /syscalls\[0\].names cannot be "A B"/],
    [{ ...base, syscalls: [{ ...rule, name: 'b' }] }, /"name" and "names" cannot both/],
    [
      { ...base, syscalls: [{ ...rule, args: [{ ...argument, index: 6 }] }] },
      /index is no number from 0 to 5/,
    ],
    [{ ...base, syscalls: [{ ...rule, args: [{ ...argument, op: 'EQ' }] }] }, /op cannot be "EQ"/],
    [
      { ...base, syscalls: [{ ...rule, args: [{ ...argument, value: 2 ** 60 }] }] },
      /value is no number from 0 to 9007199254740991/,
    ],
    [{ ...base, syscalls: [{ ...rule, includes: { caps: ['chown'] } }] }, /caps cannot be "chown"/],
    [{ ...base, syscalls: [{ ...rule, excludes: { minKernel: 'new' } }] }, /minKernel cannot be "new"/],
    [
      {
        ...base,
        architectures: ['SCMP_ARCH_X86'],
        archMap: [{ architecture: 'SCMP_ARCH_X86_64', subArchitectures: [] }],
      },
      /"architectures" and "archMap" cannot both/,
    ],
    [{ ...base, flags: ['FAST'] }, /flags cannot be "FAST"/],
  ]
  for (const [text, said] of rows) {
    const whole = typeof text === 'string' ? text : JSON.stringify(text)
    t.throws(() => parseProfile(whole, 'my.json'), { code: 'SECCOMP_INVALID', message: said }, whole)
    t.throws(() => parseProfile(whole, 'my.json'), { message: /"my\.json" is wrong/ }, 'the file is named')
  }
})

t.test('which profile is taken', async t => {
  const dir = tempDir(t, 'seccomp')
  const file = path.join(dir, 'profile.json')
  fs.writeFileSync(file, JSON.stringify({ defaultAction: 'SCMP_ACT_LOG', syscalls: [] }))
  const chosen = (choice: string, machineProfiles: readonly string[] = []): unknown =>
    seccompFilter(choice, { capabilities: DEFAULT_CAPABILITIES, machineProfiles })
  const taken = { defaultAction: 'SCMP_ACT_LOG' }
  t.equal(chosen('unconfined'), undefined)
  t.match(chosen(file), taken)
  t.match(chosen('default', [path.join(dir, 'none'), file]), taken, 'the first that exists')
  t.match(chosen('default'), { defaultErrnoRet: 38 }, 'or else our own table')
  t.throws(() => chosen(path.join(dir, 'none')), {
    code: 'SECCOMP_INVALID',
    message: /there is no seccomp profile/,
  })
  t.throws(() => chosen(dir), { code: 'SECCOMP_INVALID', message: /it is no file/ })
  fs.writeFileSync(file, 'x')
  t.throws(
    () => chosen('default', [file]),
    { code: 'SECCOMP_INVALID' },
    'a broken one of the machine is said',
  )
  fs.truncateSync(file, 5 * 1024 * 1024)
  t.throws(() => chosen(file), { code: 'SECCOMP_INVALID', message: /more than/ })
})

t.test('our own table', async t => {
  const own = (target: Partial<SeccompTarget> = {}): unknown =>
    seccompOf(OWN_PROFILE, { ...TARGET, ...target })
  const admin = own({ capabilities: [...DEFAULT_CAPABILITIES, 'CAP_SYS_ADMIN'] })
  const rows: readonly [call: string, plain: string, withAdmin: string][] = [
    ['read', 'ALLOW', 'ALLOW'],
    ['mount', 'ERRNO1', 'ALLOW'],
    ['unshare', 'ERRNO1', 'ALLOW'],
    ['setns', 'ERRNO1', 'ALLOW'],
    ['clone', 'ALLOW?', 'ALLOW'],
    ['clone3', 'ERRNO38', 'ALLOW'],
    ['keyctl', 'ERRNO1', 'ERRNO1'],
    ['bpf', 'ERRNO1', 'ALLOW'],
    ['chroot', 'ALLOW', 'ALLOW'],
    ['reboot', 'ERRNO1', 'ERRNO1'],
    ['socket', 'ALLOW', 'ALLOW'],
    ['personality', 'ALLOW? ALLOW? ALLOW? ALLOW? ALLOW?', 'ALLOW? ALLOW? ALLOW? ALLOW? ALLOW?'],
    ['no_such_call', '', ''],
  ]
  for (const [call, plain, withAdmin] of rows) {
    t.equal(answer(own(), call), plain, call)
    t.equal(answer(admin, call), withAdmin, `${call}, with CAP_SYS_ADMIN`)
  }
  t.equal(answer(own({ capabilities: [] }), 'chroot'), 'ERRNO1')
  t.equal(answer(own({ capabilities: [] }), 'socket'), 'ALLOW? ALLOW? ERRNO22?', 'no audit')
  t.equal(answer(own({ capabilities: ['CAP_BPF'] }), 'bpf'), 'ALLOW', 'one of two capabilities')
  t.equal(answer(own(), 'arch_prctl'), 'ALLOW')
  t.equal(answer(own({ arch: 'arm64' }), 'arch_prctl'), '')
  const clone = (arch: string): unknown =>
    rulesOf(own({ arch })).find(({ names }) => names.join() === 'clone')?.args
  t.match(clone('x64'), [{ index: 0, value: 0x7e020000, op: 'SCMP_CMP_MASKED_EQ' }])
  t.match(clone('s390x'), [{ index: 1 }], 'where the flags are the second argument')
  // A call that is refused and allowed without a condition would make a filter that libseccomp refuses.
  for (const capabilities of [[], DEFAULT_CAPABILITIES, ['CAP_SYS_ADMIN', 'CAP_BPF', 'CAP_PERFMON']])
    for (const { names } of rulesOf(own({ capabilities })))
      for (const name of names)
        t.notMatch(
          answer(own({ capabilities }), name),
          /(ALLOW(?!\?).*ERRNO\d+(?!\?|\d))/,
          `${name} has one answer`,
        )
})

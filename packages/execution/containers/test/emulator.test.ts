// Whether a command of another architecture can be started.

import fs from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { checkEmulator } from '../src/emulator.js'

t.test('emulators', async t => {
  const qemu = (machine: string, first = 'enabled'): string =>
    `${first}\ninterpreter /usr/bin/qemu\nflags: OCF\noffset 0\nmagic 7f454c460201010000000000000000000200${machine}\nmask ffffffffffffff00fffffffffffffffffeffffff\n`
  const rows: readonly [why: string, files: Record<string, string>, arch: string, ok: boolean][] = [
    ['its handler', { status: 'enabled\n', 'qemu-aarch64': qemu('b700') }, 'arm64', true],
    ["another's", { status: 'enabled\n', 'qemu-riscv64': qemu('f300') }, 'arm64', false],
    ['none', { status: 'enabled\n', register: '' }, 'arm64', false],
    ['switched off', { status: 'enabled\n', 'qemu-aarch64': qemu('b700', 'disabled') }, 'arm64', false],
    ['all switched off', { status: 'disabled\n', 'qemu-aarch64': qemu('b700') }, 'arm64', false],
    [
      'by the name of files',
      { status: 'enabled\n', py: 'enabled\ninterpreter /p\nflags: \nextension .py\n' },
      'arm64',
      false,
    ],
    [
      'big-endian',
      {
        status: 'enabled\n',
        s: qemu('0016').replace('7f454c460201', '7f454c460202').replace('02000016', '00020016'),
      },
      's390x',
      true,
    ],
    ['that cannot be seen', {}, 'arm64', true],
    ['an architecture we do not know', { status: 'enabled\n' }, 'sparc', true],
  ]
  for (const [index, [why, files, arch, ok]] of rows.entries()) {
    const dir = path.join(t.testdir({}), String(index))
    fs.mkdirSync(dir)
    for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(dir, name), text)
    if (ok) t.doesNotThrow(() => checkEmulator(arch, dir), why)
    else t.throws(() => checkEmulator(arch, dir), { code: 'EMULATOR_MISSING' }, why)
  }
})

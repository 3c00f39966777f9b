import fs from 'node:fs'
import path from 'node:path'
import { errnoOf, ToolError } from '@pipelayer/errors'

/** The first bytes of an architecture's programs. Spec: System V ABI, "ELF header": e_machine, class, byte order. */
const PROGRAMS: Readonly<Record<string, readonly [machine: number, bits: 32 | 64, order: 'LE' | 'BE']>> = {
  '386': [3, 32, 'LE'],
  amd64: [62, 64, 'LE'],
  arm: [40, 32, 'LE'],
  arm64: [183, 64, 'LE'],
  loong64: [258, 64, 'LE'],
  mips64: [8, 64, 'BE'],
  mips64le: [8, 64, 'LE'],
  ppc64le: [21, 64, 'LE'],
  riscv64: [243, 64, 'LE'],
  s390x: [22, 64, 'BE'],
}

const BINFMT = '/proc/sys/fs/binfmt_misc'

/**
 * Throws if the kernel cannot start programs of an architecture, because no emulator is installed for it. If the list
 * of emulators cannot be seen, as in most containers, it never throws.
 *
 * @param folder - the folder in which the kernel lists its handlers
 * @throws {ToolError} `EMULATOR_MISSING`: install one, or build on a machine of that architecture
 */
export function checkEmulator(architecture: string, folder = BINFMT): void {
  const program = PROGRAMS[architecture]
  if (program === undefined || !fs.existsSync(path.join(folder, 'status'))) return
  const isHandled =
    read(folder, 'status').startsWith('enabled') &&
    fs
      .readdirSync(folder)
      .filter(name => name !== 'status' && name !== 'register')
      .some(name => handles(read(folder, name), program))
  if (isHandled) return
  throw new ToolError(
    'EMULATOR_MISSING',
    `RUN needs an emulator for ${architecture}, and ${folder} has none that is enabled: ${EMULATOR_HINT}`,
  )
}

/** The hint for a RUN that failed, if the list of emulators cannot be seen. */
export const EMULATOR_HINT =
  'install one (Debian: qemu-user-static), copy files only in stages of this platform, or build there'

// The handler was removed after it was listed, so it handles nothing.
function read(folder: string, name: string): string {
  try {
    return fs.readFileSync(path.join(folder, name), 'latin1')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return ''
    throw error
  }
}

// Spec: Linux, Documentation/admin-guide/binfmt-misc.rst.
function handles(text: string, program: (typeof PROGRAMS)[string]): boolean {
  const field = (name: string): string | undefined => new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]
  const magic = Buffer.from(field('magic') ?? '', 'hex')
  if (!text.startsWith('enabled') || magic.length === 0) return false
  const mask = Buffer.from(field('mask') ?? 'ff'.repeat(magic.length), 'hex')
  const offset = Number(field('offset') ?? 0)
  return [2, 3].some(type => {
    const head = header(program, type)
    return magic.every((byte, at) => (((head[offset + at] ?? 0) ^ byte) & (mask[at] ?? 0xff)) === 0)
  })
}

/** @param type - e_type: 2 for a program at a fixed address, 3 for one that can be moved */
function header([machine, bits, order]: readonly [number, 32 | 64, 'LE' | 'BE'], type: number): Buffer {
  const head = Buffer.alloc(64)
  head.write('\x7fELF', 'latin1')
  head.set([bits / 32, order === 'LE' ? 1 : 2, 1], 4)
  const write = (value: number, at: number): unknown =>
    order === 'LE' ? head.writeUInt16LE(value, at) : head.writeUInt16BE(value, at)
  write(type, 16)
  write(machine, 18)
  return head
}

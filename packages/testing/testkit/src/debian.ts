import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { waitUntil } from './processes.js'

const SUITE = 'bookworm'

/**
 * The folder of a debootstrapped Debian, made at the first call and kept in the cache
 * (`$PIPELAYER_TEST_CACHE`, else /var/cache/pipelayer-test). Tests only read it.
 */
export async function debianTree(): Promise<string> {
  const cache = process.env.PIPELAYER_TEST_CACHE ?? '/var/cache/pipelayer-test'
  const tree = path.join(cache, SUITE)
  if (fs.existsSync(tree)) return tree
  fs.mkdirSync(cache, { recursive: true })
  const staging = path.join(cache, `${SUITE}.making`)
  if (!claim(staging)) {
    await waitUntil(`another process makes ${tree}`, () => fs.existsSync(tree), 600_000)
    return tree
  }
  try {
    bootstrap(staging)
    fs.renameSync(staging, tree)
    return tree
  } finally {
    fs.rmSync(staging, { recursive: true, force: true })
  }
}

function claim(staging: string): boolean {
  try {
    fs.mkdirSync(staging)
    return true
  } catch {
    return false
  }
}

function bootstrap(staging: string): void {
  const { status, stdout } = spawnSync('debootstrap', ['--variant=minbase', SUITE, staging, mirror()], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`debootstrap ended with ${status}: ${stdout.slice(-2000)}`)
  // The archives of installed packages would be a third of the tree.
  fs.rmSync(path.join(staging, 'var/cache/apt/archives'), { recursive: true, force: true })
}

/** The Debian mirror that this machine's apt uses. */
function mirror(): string {
  const files = ['/etc/apt/sources.list', ...list('/etc/apt/sources.list.d')]
  const text = files
    .filter(file => fs.existsSync(file))
    .map(file => fs.readFileSync(file, 'utf8'))
    .join('\n')
  return text.match(/https?:\/\/\S+\/debian\/?(?=\s|$)/)?.[0] ?? 'http://deb.debian.org/debian'
}

function list(dir: string): string[] {
  return fs.existsSync(dir) ? fs.readdirSync(dir).map(name => path.join(dir, name)) : []
}

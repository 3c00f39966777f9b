import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { type Scope, tempDir } from './temp.js'

export interface RegistryOptions {
  /** Demands Basic auth with this name and password. */
  readonly user?: { readonly name: string; readonly password: string }
  /** TLS, with a certificate of an authority of its own. */
  readonly tls?: boolean
  /** Serve this folder, which is kept after the test. */
  readonly storage?: string
}

/** A docker-registry of this test alone. */
export interface RegistryServer {
  /** `127.0.0.1:PORT`, on a port that was free. */
  readonly host: string
  /** Its storage folder. */
  readonly storage: string
  /** With TLS: the file of the authority's certificate. */
  readonly authority?: string
  stop(): Promise<void>
}

/** Starts Debian's docker-registry on loopback with its storage in a temporary folder; it stops with the test. */
export async function startRegistry(t: Scope, options: RegistryOptions = {}): Promise<RegistryServer> {
  const dir = tempDir(t, 'registry')
  const storage = options.storage ?? path.join(dir, 'storage')
  fs.writeFileSync(path.join(dir, 'config.json'), JSON.stringify(configuration(dir, storage, options)))
  const child = spawn('docker-registry', ['serve', path.join(dir, 'config.json')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  const stop = (): Promise<void> => {
    child.kill('SIGTERM')
    return ended
  }
  t.teardown(stop)
  const authority = options.tls ? { authority: path.join(dir, 'ca.crt') } : {}
  return { host: await listening(child), storage, ...authority, stop }
}

// JSON is YAML, so the configuration needs no writer of its own.
function configuration(dir: string, storage: string, options: RegistryOptions): unknown {
  const common = {
    version: '0.1',
    log: { level: 'info', formatter: 'json' },
    storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
    http: { addr: '127.0.0.1:0', secret: 'one process only', ...(options.tls && { tls: certify(dir) }) },
  }
  if (!options.user) return common
  const file = path.join(dir, 'htpasswd')
  const { stdout } = spawnSync('htpasswd', ['-Bbn', options.user.name, options.user.password], {
    encoding: 'utf8',
  })
  fs.writeFileSync(file, stdout)
  return { ...common, auth: { htpasswd: { realm: 'test', path: file } } }
}

// An authority and a certificate for 127.0.0.1 that it signed.
function certify(dir: string): { readonly certificate: string; readonly key: string } {
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' })
  const fresh = ['-newkey', 'rsa:2048', '-nodes']
  const subject = (name: string): string[] => ['-subj', `/CN=${name}`]
  openssl(
    'req',
    '-x509',
    ...fresh,
    ...subject('test authority'),
    '-keyout',
    'ca.key',
    '-out',
    'ca.crt',
    '-days',
    '2',
  )
  openssl('req', ...fresh, ...subject('127.0.0.1'), '-keyout', 'server.key', '-out', 'server.csr')
  fs.writeFileSync(path.join(dir, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost')
  const signer = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names']
  openssl('x509', '-req', '-in', 'server.csr', ...signer, '-out', 'server.crt', '-days', '2')
  return { certificate: path.join(dir, 'server.crt'), key: path.join(dir, 'server.key') }
}

async function listening(child: ChildProcess): Promise<string> {
  if (!child.stderr) throw new Error('docker-registry has no stderr')
  const seen: string[] = []
  for await (const line of createInterface({ input: child.stderr })) {
    seen.push(line)
    const host = line.match(/listening on (127\.0\.0\.1:\d+)/)?.[1]
    if (host === undefined) continue
    child.stderr.resume()
    return host
  }
  throw new Error(`docker-registry did not start: ${seen.join('\n')}`)
}

// Loopback servers for the sources of a build: files with their headers, and git repositories, served by git itself.
import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, ListenOptions } from 'node:net'
import path from 'node:path'
import { type Scope, tempDir } from './temp.js'

/** A server that stops with the test, and the requests that it got. */
export interface Web {
  /** `http://127.0.0.1:PORT` */
  readonly url: string
  /** `GET /path`, in order. */
  readonly asked: string[]
}

export async function serve(
  t: Scope,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Web> {
  const { server, asked } = await started(t, answer, { host: '127.0.0.1', port: 0 })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** The same on a socket in a folder of its own, as an engine listens: `url` is `unix:///PATH`. */
export async function serveSocket(
  t: Scope,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Web> {
  const socket = path.join(tempDir(t, 'socket'), 's')
  const { asked } = await started(t, answer, { path: socket })
  return { url: `unix://${socket}`, asked }
}

async function started(
  t: Scope,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
  where: ListenOptions,
): Promise<{ readonly server: Server; readonly asked: string[] }> {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    answer(request, response)
  })
  await new Promise<void>(resolve => server.listen(where, resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { server, asked }
}

/** Repositories below `dir`, by the smart protocol, or as plain files. */
export function serveGit(t: Scope, dir: string, kind: 'smart' | 'dumb' = 'smart'): Promise<Web> {
  return serve(t, (request, response) => {
    if (kind === 'smart') backend(dir, request, response)
    else file(path.join(dir, new URL(request.url ?? '/', 'http://h').pathname), response)
  })
}

function file(name: string, response: ServerResponse): void {
  if (fs.statSync(name, { throwIfNoEntry: false })?.isFile()) fs.createReadStream(name).pipe(response)
  else response.writeHead(404).end()
}

function backend(dir: string, request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://h')
  const child = spawn('git', ['http-backend'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: {
      PATH: process.env.PATH,
      GIT_PROJECT_ROOT: dir,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: url.pathname,
      QUERY_STRING: url.search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: String(request.headers['content-encoding'] ?? ''),
      GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
  })
  request.pipe(child.stdin)
  const chunks: Buffer[] = []
  child.stdout.on('data', chunk => chunks.push(chunk))
  child.on('close', () => {
    const all = Buffer.concat(chunks)
    const end = all.indexOf('\r\n\r\n')
    for (const line of all.subarray(0, Math.max(0, end)).toString().split('\r\n')) {
      const [name = '', value = ''] = line.split(': ')
      if (name === 'Status') response.statusCode = Number(value.slice(0, 3))
      else if (name !== '') response.setHeader(name, value)
    }
    response.end(all.subarray(end + 4))
  })
}

/** Runs git with an author and a time that are always the same. */
export function git(cwd: string, ...args: string[]): string {
  const who = {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@a',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@a',
  }
  const when = { GIT_AUTHOR_DATE: '1700000000 +0000', GIT_COMMITTER_DATE: '1700000000 +0000' }
  const env = { PATH: process.env.PATH, HOME: '/', GIT_CONFIG_NOSYSTEM: '1', ...who, ...when }
  const config = ['-c', 'init.defaultBranch=main', '-c', 'protocol.file.allow=always']
  return execFileSync('git', [...config, ...args], {
    cwd,
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

/** A new repository with these files in one commit; served as it is. Returns its folder. */
export function repository(dir: string, files: Readonly<Record<string, string>>): string {
  fs.mkdirSync(dir, { recursive: true })
  git(dir, 'init', '-q')
  commit(dir, files)
  return dir
}

/** Adds a commit. A content that begins with `->` makes a symlink. Returns the commit. */
export function commit(dir: string, files: Readonly<Record<string, string>>): string {
  for (const [name, content] of Object.entries(files)) {
    const place = path.join(dir, name)
    fs.mkdirSync(path.dirname(place), { recursive: true })
    if (content.startsWith('->')) fs.symlinkSync(content.slice(2), place)
    else fs.writeFileSync(place, content)
  }
  git(dir, 'add', '-A')
  git(dir, 'commit', '-q', '--allow-empty', '-m', 'm')
  git(dir, 'update-server-info')
  return git(dir, 'rev-parse', 'HEAD').trim()
}

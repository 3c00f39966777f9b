/**
 * Gives a step a socket to an ssh agent. The private keys stay outside of the step.
 *
 * ```
 * message = length (4 bytes, big endian, of what follows), type (1 byte), contents
 * ```
 *
 * Spec: draft-ietf-sshm-ssh-agent, "Protocol messages".
 *
 * @module
 */
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'

/**
 * The types of messages that a step may send: list the keys, and sign with one. A step can add or remove no key, and
 * lock nothing.
 */
const ALLOWED = new Set([11, 13])
const FAILURE = Buffer.from([0, 0, 0, 1, 5])
/** OpenSSH's own limit. */
const MAX_MESSAGE_BYTES = 256 * 1024

export interface AgentSocket {
  /** Where the socket is made. */
  readonly file: string
  readonly mode: number
  readonly uid: number
  readonly gid: number
}

/** Listens on a socket, and passes the allowed messages on to `agent`. Returns a function that ends it. */
export async function serveAgent(agent: string, socket: AgentSocket): Promise<() => void> {
  const server = net.createServer(client => void relay(client, net.connect(agent)))
  const clients = new Set<net.Socket>()
  server.on('connection', client => {
    clients.add(client)
    client.on('close', () => clients.delete(client))
  })
  await listen(server, socket.file)
  fs.chownSync(socket.file, socket.uid, socket.gid)
  fs.chmodSync(socket.file, socket.mode)
  return () => {
    for (const client of clients) client.destroy()
    server.close()
    fs.rmSync(socket.file, { force: true })
  }
}

// The path of a socket may have 107 bytes, which the store's folder may exceed. So the socket is named relative to the
// open descriptor of its parent.
async function listen(server: net.Server, file: string): Promise<void> {
  const parent = fs.openSync(path.dirname(file), fs.constants.O_RDONLY | fs.constants.O_DIRECTORY)
  try {
    await new Promise<void>((resolve, reject) => {
      server.on('error', reject)
      server.listen(`/proc/self/fd/${parent}/${path.basename(file)}`, resolve)
    })
  } finally {
    fs.closeSync(parent)
  }
}

async function relay(client: net.Socket, agent: net.Socket): Promise<void> {
  // The step itself notices a broken connection.
  for (const each of [client, agent]) each.on('error', () => {})
  const answers = messages(agent)
  try {
    for await (const request of messages(client)) {
      if (!ALLOWED.has(request[4] ?? 0)) {
        client.write(FAILURE)
        continue
      }
      agent.write(request)
      const { value, done } = await answers.next()
      if (done) return
      client.write(value)
    }
  } catch {
    // The path may be too long here as well.
  } finally {
    client.destroy()
    agent.destroy()
  }
}

/** Splits a stream into whole messages. A message that is too long ends the stream. */
async function* messages(socket: net.Socket): AsyncGenerator<Buffer, void> {
  let rest = Buffer.alloc(0)
  for await (const chunk of socket) {
    rest = Buffer.concat([rest, chunk as Buffer])
    while (rest.length >= 4) {
      const end = 4 + rest.readUInt32BE(0)
      if (end > MAX_MESSAGE_BYTES) return
      if (rest.length < end) break
      yield rest.subarray(0, end)
      rest = rest.subarray(end)
    }
  }
}

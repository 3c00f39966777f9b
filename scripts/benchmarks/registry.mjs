// A registry on loopback with its blobs in memory: the program of distribution, as packaged by Debian.
import fs from 'node:fs'
import path from 'node:path'
import { serve, shell, work } from './harness.mjs'

const started = new Map()

/**
 * Starts the registry at the first call with a name; its storage is `$W/NAME`. Returns its `127.0.0.1:PORT`, or
 * undefined if the program is not installed.
 */
export function startRegistry(name = 'registry') {
  if (!started.has(name)) started.set(name, start(name))
  return started.get(name)
}

function start(name) {
  try {
    shell('command -v docker-registry')
  } catch {
    console.error('bench: no docker-registry is installed: rows that pull are left out')
    return undefined
  }
  const file = path.join(work, `${name}.yml`)
  fs.writeFileSync(
    file,
    `version: 0.1
log: {level: info, formatter: json, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${work}/${name}}}
http: {addr: "127.0.0.1:0", secret: bench}
`,
  )
  serve(`exec docker-registry serve "${file}" 2> "$W/${name}.log"`)
  const line = shell(
    `for i in $(seq 100); do grep -om1 'listening on 127.0.0.1:[0-9]*' "$W/${name}.log" && exit; sleep 0.1; done; exit 1`,
  )
  return line.replace('listening on ', '')
}

import { ToolError } from '@pipelayer/errors'

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/**
 * Reads `HOST:PORT`, `[IPV6]:PORT`, `:PORT` (every address of this machine) or `PORT` (loopback).
 *
 * @throws ToolError `ADDRESS_INVALID`, status 2
 */
export function listenAddress(text: string): ListenAddress {
  const match = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]*)):)?(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) {
    const message = `cannot listen on ${JSON.stringify(text)}: expected HOST:PORT`
    throw new ToolError('ADDRESS_INVALID', message, { status: 2 })
  }
  const host = match[1] ?? match[2] ?? '127.0.0.1'
  return { host: host === '' ? '::' : host, port }
}

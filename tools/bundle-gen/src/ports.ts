import { optionError } from './option-error.js'

/** A port of the host that leads to one of the container. */
export interface PublishedPort {
  /** The address of the host; all of them unless said. */
  readonly address?: string
  readonly host: number
  readonly container: number
  readonly protocol: 'tcp' | 'udp'
}

const FORM = /^(?:\[([0-9a-fA-F:]+)\]:|(\d{1,3}(?:\.\d{1,3}){3}):)?(\d{1,5}):(\d{1,5})(?:\/(tcp|udp))?$/

/**
 * Parses `--publish [ADDRESS:]HOST:CONTAINER[/tcp|udp]`.
 *
 * @throws {ToolError} `OPTION_INVALID`
 */
export function parsePort(text: string): PublishedPort {
  const match = FORM.exec(text)
  const [host, container] = [Number(match?.[3]), Number(match?.[4])]
  if (match === null || !isPort(host) || !isPort(container))
    throw optionError(
      '--publish',
      text,
      'it takes [ADDRESS:]HOST:CONTAINER[/tcp|udp], with ports from 1 to 65535',
    )
  const address = match[1] ?? match[2]
  const protocol = match[5] === 'udp' ? 'udp' : 'tcp'
  return { ...(address === undefined ? {} : { address }), host, container, protocol }
}

function isPort(value: number): boolean {
  return value >= 1 && value <= 65_535
}

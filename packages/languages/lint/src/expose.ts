import { parsePorts, quote, splitPort } from '@pipelayer/dockerfile'
import { attemptAt, fail } from './bases.js'
import type { Collector } from './collector.js'
import type { Step } from './stages.js'

const PROTOCOLS = new Set(['tcp', 'udp', 'sctp'])

/** `words` are expanded and split. */
export function checkExpose(step: Step, words: readonly string[], collector: Collector): void {
  for (const word of words) {
    const parts = word.split(':')
    const { protocol } = splitPort(parts.at(-1) ?? '')
    if (!PROTOCOLS.has(protocol.toLowerCase())) fail(step, `invalid port ${quote(word)}`)
    if (protocol !== protocol.toLowerCase()) {
      const message = `Defined protocol '${word}' in EXPOSE instruction should be lowercase`
      collector.report('ExposeProtoCasing', step.fields, message)
    }
    if (parts.slice(0, -1).some(part => part !== '')) {
      const message = `EXPOSE instruction should not define an IP address or host-port mapping, found '${word}'`
      collector.report('ExposeInvalidFormat', step.fields, message)
    }
    attemptAt(step, () => parsePorts(word))
  }
}

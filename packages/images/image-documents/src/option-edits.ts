import type { ConfigArgs } from '@pipelayer/cli'
import { type ConfigEdits, withEdits, words } from './edits.js'

/**
 * The edits that the options of a command line ask for.
 *
 * @throws {ToolError} `USAGE`, status 2, for a pair without `=`, a broken JSON array, or a port that is none
 */
export function editsOf(args: ConfigArgs): ConfigEdits {
  const edits: ConfigEdits = {
    cmd: words(args.cmd, '--cmd'),
    entrypoint: words(args.entrypoint, '--entrypoint'),
    env: args.env,
    labels: args.label,
    expose: args.expose,
    volumes: args.volume,
    ...(args.workdir === undefined ? {} : { workingDir: args.workdir }),
    ...(args.user === undefined ? {} : { user: args.user }),
    ...(args['stop-signal'] === undefined ? {} : { stopSignal: args['stop-signal'] }),
  }
  // A trial on an empty document refuses wrong values before any input is read.
  withEdits({}, edits)
  return edits
}

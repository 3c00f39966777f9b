/**
 * Commands that go on when the connection breaks.
 *
 * A job has a folder on its host, made by the first who asks for it. The command runs beside the connection, its output
 * and its status go into the folder, and who asks again follows it or gets its status. So an operation with an effect is
 * begun once, whatever happens to the one who asked.
 *
 * @module
 */

import type { HostCommand } from '@pipelayer/records'
import type { Connections, SshTarget } from './ssh.js'

/**
 * `$1` is the folder, `$2` the folder to run in, `$3` not empty for a command that is run although it ended well before,
 * the rest the command. A job that failed, or that a restart of the host ended, is begun anew.
 */
const FOLLOW = `
job=$1 cwd=$2 again=$3; shift 3
boot=$(cat /proc/sys/kernel/random/boot_id 2>/dev/null)
alive() { [ -f "$job/pid" ] && [ "$(cat "$job/boot" 2>/dev/null)" = "$boot" ] && kill -0 "$(cat "$job/pid")" 2>/dev/null; }
if [ -d "$job" ]; then
  if [ -f "$job/rc" ]; then { [ "$(cat "$job/rc")" = 0 ] && [ -z "$again" ]; } || rm -rf "$job"
  else [ -f "$job/pid" ] || sleep 1; alive || [ -f "$job/rc" ] || rm -rf "$job"
  fi
fi
mkdir -p "\${job%/*}" && chmod 700 "\${job%/*}"
if mkdir "$job" 2>/dev/null; then
  printf '%s' "$boot" > "$job/boot"; : > "$job/log"
  ( trap '' HUP; cd "$cwd" && "$@"; echo $? > "$job/rc.new"; mv "$job/rc.new" "$job/rc" ) < /dev/null > "$job/log" 2>&1 &
  echo $! > "$job/pid.new" && mv "$job/pid.new" "$job/pid"
fi
seen=0 missed=0
while :; do
  over=; [ -f "$job/rc" ] && over=1
  size=$(wc -c < "$job/log" 2>/dev/null || echo 0)
  if [ "$size" -gt "$seen" ]; then tail -c +$((seen + 1)) "$job/log" | head -c $((size - seen)); seen=$size; fi
  [ -n "$over" ] && break
  if alive; then missed=0; else missed=$((missed + 1)); [ "$missed" -lt 25 ] || exit 75; fi
  sleep 0.2
done
exit "$(cat "$job/rc")"
`

export interface JobOptions {
  /** The folder of the job on the host. */
  readonly folder: string
  /** Run it although it ended well before. */
  readonly again: boolean
  readonly onOutput?: (chunk: Buffer) => void
  readonly timeout?: number | undefined
}

/** Runs a command as a job, and returns its status and the end of its output. */
export async function runJob(
  connections: Connections,
  target: SshTarget,
  { command, options }: { readonly command: HostCommand; readonly options: JobOptions },
): Promise<{ readonly status: number; readonly said: string }> {
  const { folder, again, onOutput, timeout } = options
  const { cwd = '/', ...words } = command
  const argv = ['sh', '-c', FOLLOW, 'sh', folder, cwd, again ? 'again' : '', ...commandWords(words)]
  const { status, stdout, stderr } = await connections.run(target, {
    argv,
    ...(onOutput && { onOutput }),
    ...(timeout !== undefined && { timeout }),
  })
  return { status, said: stdout + stderr }
}

/** The words of a command with its environment, run in its folder. */
export function commandWords({
  argv,
  env,
  cwd,
}: HostCommand & { readonly cwd?: string | undefined }): readonly string[] {
  const words =
    env === undefined
      ? argv
      : ['env', ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...argv]
  return cwd === undefined ? words : ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', cwd, ...words]
}

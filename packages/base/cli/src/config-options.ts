import type { OptionTable } from './options.js'

/** The options of every tool that sets fields of an image's config: rows of its option table. */
export const CONFIG_OPTIONS = {
  cmd: { type: 'array', value: 'WORD', describe: 'default command: a word, or one JSON array' },
  entrypoint: { type: 'array', value: 'WORD', describe: 'entrypoint: a word, or one JSON array' },
  env: { type: 'array', alias: 'e', value: 'NAME=VALUE', describe: 'environment variable' },
  label: { type: 'array', value: 'KEY=VALUE', describe: 'label' },
  workdir: { type: 'string', value: 'DIR', describe: 'working directory' },
  user: { type: 'string', value: 'USER[:GROUP]', describe: 'user of the process' },
  expose: { type: 'array', value: 'PORT[/PROTOCOL]', describe: 'port that the image listens on' },
  volume: { type: 'array', value: 'DIR', describe: 'directory of data' },
  'stop-signal': { type: 'string', value: 'SIGNAL', describe: 'signal that ends the process' },
} as const satisfies OptionTable

/** The values of {@link CONFIG_OPTIONS}. */
export interface ConfigArgs {
  readonly cmd: readonly string[]
  readonly entrypoint: readonly string[]
  readonly env: readonly string[]
  readonly label: readonly string[]
  readonly workdir: string | undefined
  readonly user: string | undefined
  readonly expose: readonly string[]
  readonly volume: readonly string[]
  readonly 'stop-signal': string | undefined
}

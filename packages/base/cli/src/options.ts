import { ToolError } from '@pipelayer/errors'
import yargs, { type Options } from 'yargs'

/** One option of a tool. The table is the whole description: parsing, types and `--help` follow from it. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean' | 'number' | 'array'
  readonly describe: string
  readonly alias?: string
  /** Shown after the option in the help: `DIR`. Not for booleans. */
  readonly value?: string
  readonly choices?: readonly string[]
  readonly default?: string | number
}

export type OptionTable = Readonly<Record<string, OptionSpec>>

/** The positional arguments of a tool, for the synopsis and for the count. */
export interface Positionals {
  /** As in a synopsis: `[FILE]`, `REFERENCE...`. */
  readonly synopsis: string
  readonly min: number
  readonly max: number
}

/** A command of a tool: its words as in a synopsis (`save NAME -o FILE`), and what it does in half a line. */
export interface CommandHelp {
  readonly synopsis: string
  readonly describe: string
}

/** What the text of `--help` begins with. */
export interface Head {
  readonly name: string
  readonly summary: string
  readonly positionals: Positionals
  readonly commands?: readonly CommandHelp[]
}

type Value<S extends OptionSpec> = S['type'] extends 'boolean'
  ? boolean
  : S['type'] extends 'number'
    ? S extends { readonly default: number }
      ? number
      : number | undefined
    : S['type'] extends 'array'
      ? readonly string[]
      : S extends { readonly default: string }
        ? string
        : string | undefined

/**
 * The values from the command line, by option name as in the table, and the positional arguments under `_`. Those after
 * `--` stand under `--` too, which is undefined where there was none.
 */
export type Args<T extends OptionTable> = { readonly [K in keyof T]: Value<T[K]> } & {
  readonly _: readonly string[]
  readonly '--'?: readonly string[] | undefined
}

/**
 * The option `store`, whose default `defaultStorePath` of the package store gives.
 *
 * @param what - what the folder is for, as the help says it
 */
export function storeOption(what: string): {
  readonly type: 'string'
  readonly value: 'DIR'
  readonly describe: string
} {
  const describe = `${what} (default: $PIPELAYER_STORE or ~/.local/share/pipelayer)`
  return { type: 'string', value: 'DIR', describe }
}

/** The options that every tool has. */
export const COMMON = {
  help: { type: 'boolean', alias: 'h', describe: 'show this help' },
  version: { type: 'boolean', describe: 'show the version' },
  quiet: { type: 'boolean', alias: 'q', describe: 'no warnings and no progress on stderr' },
  verbose: { type: 'boolean', describe: 'say more, also what failed further up the pipe' },
  'log-format': {
    type: 'string',
    choices: ['text', 'json'],
    default: 'text',
    describe: 'form of the lines on stderr',
  },
} as const satisfies OptionTable

/** The options of every tool that reads records. */
export const READING = {
  'no-end': { type: 'boolean', describe: 'take a hand-written stream, without its "end" record' },
  streams: {
    type: 'number',
    value: 'N',
    describe: 'expect N concatenated streams, each with its "end"',
    default: 1,
  },
} as const satisfies OptionTable

export interface CommandLine<T extends OptionTable> {
  readonly args: Args<T>
  /** Makes the text of `--help`, which takes as long as the rest of the parsing. */
  readonly help: () => Promise<string>
}

/**
 * Parses a command line, strictly: unknown options, missing values and repeated single options are errors.
 *
 * @throws {ToolError} `USAGE`, status 2
 */
export async function parseCommandLine<T extends OptionTable>(
  argv: readonly string[],
  head: Head,
  table: T,
): Promise<CommandLine<T>> {
  const parser = describeOptions(head, table)
  const fail = (why: string): never => {
    throw new ToolError('USAGE', `${why} (${head.name} --help shows the options)`, { status: 2 })
  }
  parser.fail((message: string | undefined, error: Error | undefined) =>
    fail(firstLine(message ?? error?.message)),
  )
  const parsed = (await parser.parseAsync([...argv])) as Record<string, unknown> & { _: unknown[] }
  const words = parsed._.map(String)
  const { min, max } = head.positionals
  const asked = parsed.help === true || parsed.version === true
  if (!asked && words.length < min) fail(`expected ${head.positionals.synopsis}, got ${count(words.length)}`)
  if (!asked && words.length > max) fail(`unexpected argument ${JSON.stringify(words[max])}`)
  const values = Object.entries(table).map(([name, spec]) => [
    name,
    checkedValue({ name, spec, given: parsed[name] }, fail),
  ])
  const dashes = argv.indexOf('--')
  const after = dashes < 0 ? undefined : argv.slice(dashes + 1)
  const args = { ...Object.fromEntries(values), _: words, '--': after } as Args<T>
  return { args, help: () => helpText(parser) }
}

function describeOptions(head: Head, table: OptionTable): ReturnType<typeof yargs> {
  const synopsis = [head.name, '[options]', head.positionals.synopsis].filter(part => part !== '').join(' ')
  const parser = yargs()
    .scriptName(head.name)
    .usage(`${head.name}: ${head.summary}\n\nUsage: ${synopsis}${commandsText(head.commands ?? [])}`)
    .help(false)
    .version(false)
    .exitProcess(false)
    .strictOptions()
    // The width does not depend on the terminal, since the man page shows the same text.
    .wrap(null)
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
    })
  for (const [name, spec] of Object.entries(table)) parser.option(name, yargsOption(spec))
  return parser
}

function commandsText(commands: readonly CommandHelp[]): string {
  if (commands.length === 0) return ''
  const width = Math.max(...commands.map(({ synopsis }) => synopsis.length))
  const lines = commands.map(({ synopsis, describe }) => `  ${synopsis.padEnd(width)}  ${describe}`)
  return `\n\nCommands:\n${lines.join('\n')}`
}

function yargsOption(spec: OptionSpec): Options {
  const values = spec.choices?.join('|') ?? spec.value
  return {
    type: spec.type === 'number' ? 'string' : spec.type,
    // yargs would print "[string]" here; the names of the values say more.
    describe: values === undefined ? spec.describe : `${values}: ${spec.describe}`,
    requiresArg: spec.type !== 'boolean',
    ...(spec.alias === undefined ? {} : { alias: spec.alias }),
    ...(spec.default === undefined ? {} : { defaultDescription: String(spec.default) }),
  }
}

function checkedValue(
  { name, spec, given }: { readonly name: string; readonly spec: OptionSpec; readonly given: unknown },
  fail: (why: string) => never,
): unknown {
  if (spec.type === 'array') return given === undefined ? [] : [given].flat().map(String)
  if (Array.isArray(given)) return fail(`--${name} was given ${given.length} times`)
  if (spec.type === 'boolean') return given === true
  if (given === undefined) return spec.default
  if (spec.type === 'number') return wholeNumber(name, String(given), fail)
  if (spec.choices && !spec.choices.includes(String(given)))
    return fail(`--${name} takes ${spec.choices.join(' or ')}, got ${JSON.stringify(given)}`)
  return String(given)
}

function wholeNumber(name: string, text: string, fail: (why: string) => never): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    fail(`--${name} takes a whole number, got ${JSON.stringify(text)}`)
  return value
}

async function helpText(parser: ReturnType<typeof yargs>): Promise<string> {
  const text = await parser.getHelp()
  return text.replace(/ *\[(string|boolean|array|number)\]/g, '').replace(/[ \t]+$/gm, '')
}

function firstLine(text: string | undefined): string {
  const line = (text ?? 'the command line is wrong').split('\n', 1)[0] ?? ''
  return line.charAt(0).toLowerCase() + line.slice(1)
}

function count(words: number): string {
  return words === 1 ? '1 argument' : `${words} arguments`
}

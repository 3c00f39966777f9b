/**
 * The meaning of an instruction, with one type for each kind, made by `interpret`.
 *
 * Words are as written: variables are not expanded and quotes are not removed, see `expandWord`.
 *
 * @module
 */

import type { Heredoc, HeredocText, StoredBody } from './syntax.js'

/** The input of `interpret`: the fields of an `instruction` record that matter for its meaning. */
export interface InstructionFields {
  /** The keyword, any case. */
  readonly name: string
  readonly form: 'words' | 'json' | 'shell' | 'pairs'
  readonly args: readonly string[]
  readonly flags: readonly string[]
  readonly heredocs?: readonly Heredoc[]
  readonly trigger?: TriggerFields
  /** The instruction's text with continuations joined. */
  readonly raw?: string
  /** Lines and columns from 1; `column` is where the keyword stands, 1 when absent. */
  readonly source?: SourcePosition
  /** `\` when absent. */
  readonly escape?: string
  /** The comment lines right above, without `#` and blanks around. */
  readonly comments?: readonly string[]
  /** The last line of an instruction that has an empty line inside it. */
  readonly emptyContinuation?: number
  /** The value of the file's directive `# check=`. Only the first instruction has it. */
  readonly check?: string
}

/** The instruction that an ONBUILD defers to builds upon the image. */
export type TriggerFields = Pick<InstructionFields, 'name' | 'form' | 'args' | 'flags' | 'trigger'>

export interface SourcePosition {
  readonly file: string
  readonly line: number
  readonly endLine: number
  readonly column?: number
}

/** `NAME=value`. */
export interface Pair {
  readonly name: string
  readonly value: string
}

/** A file whose content stands in the Dockerfile, as a source of COPY or ADD. Its mode is 0644. */
export interface InlineSource extends Partial<HeredocText> {
  /** The heredoc's word: the name of the file where the destination is a directory. */
  readonly path: string
  /** In place of the text of a long heredoc: its body as written, in the store. */
  readonly stored?: StoredBody
  /** True for `<<-`; the leading tabs are already removed from the text. */
  readonly chomp: boolean
  /** Whether variables in the content are to be expanded. */
  readonly expand: boolean
}

/** The command of RUN, CMD or ENTRYPOINT. */
export interface CommandLine {
  /** True: one string for the shell of the stage. False: the argv. */
  readonly shell: boolean
  readonly command: readonly string[]
  /** Heredocs, in the order of their bodies; tabs are not dropped yet. */
  readonly files: readonly Heredoc[]
}

export interface FromInstruction {
  readonly kind: 'from'
  /** Image, stage, build context or `scratch`; variables not expanded. */
  readonly base: string
  /** The name from `AS name`, in lower case. */
  readonly name?: string
  /** The text of a comment right above, `# NAME text`, where NAME is the lower-case name of the stage. */
  readonly description?: string
  readonly platform?: string
}

export interface RunInstruction extends CommandLine {
  readonly kind: 'run'
  /** The text of each `--mount`, in order: `type=cache,target=/x`. */
  readonly mounts: readonly string[]
  readonly network: 'default' | 'none' | 'host'
  readonly security: 'sandbox' | 'insecure'
  /** The text of each `--device`. */
  readonly devices: readonly string[]
}

export interface CmdInstruction extends CommandLine {
  readonly kind: 'cmd'
}

export interface EntrypointInstruction extends CommandLine {
  readonly kind: 'entrypoint'
}

interface Transfer {
  /** Paths, wildcards, URLs, without the heredocs. */
  readonly sources: readonly string[]
  readonly heredocs: readonly InlineSource[]
  readonly dest: string
  readonly chown?: string
  readonly chmod?: string
  readonly link: boolean
  readonly excludes: readonly string[]
}

export interface CopyInstruction extends Transfer {
  readonly kind: 'copy'
  /** Stage name, stage number, image or build context. */
  readonly from?: string
  readonly parents: boolean
}

export interface AddInstruction extends Transfer {
  readonly kind: 'add'
  readonly keepGitDir?: boolean
  readonly checksum?: string
  readonly unpack?: boolean
}

export interface EnvInstruction {
  readonly kind: 'env'
  readonly pairs: readonly Pair[]
}

export interface LabelInstruction {
  readonly kind: 'label'
  readonly pairs: readonly Pair[]
}

/** One name of ARG. */
interface DeclaredArg {
  readonly name: string
  /** Absent where the ARG has no default value. */
  readonly value?: string
  /** The text of a comment right above, `# NAME text`. */
  readonly description?: string
}

export interface ArgInstruction {
  readonly kind: 'arg'
  readonly args: readonly DeclaredArg[]
}

export interface WorkdirInstruction {
  readonly kind: 'workdir'
  readonly path: string
}

export interface UserInstruction {
  readonly kind: 'user'
  readonly user: string
}

export interface ExposeInstruction {
  readonly kind: 'expose'
  /** The words as written, sorted; `parsePorts` gives the ports that one stands for. */
  readonly ports: readonly string[]
}

export interface VolumeInstruction {
  readonly kind: 'volume'
  readonly paths: readonly string[]
}

export interface StopsignalInstruction {
  readonly kind: 'stopsignal'
  readonly signal: string
}

export interface ShellInstruction {
  readonly kind: 'shell'
  readonly shell: readonly string[]
}

export interface HealthcheckInstruction {
  readonly kind: 'healthcheck'
  /** `['NONE']`, `['CMD', ...argv]` or `['CMD-SHELL', text]`, as the config has it. */
  readonly test: readonly string[]
  /** Nanoseconds, as the config has them; 0 when not given. */
  readonly intervalNs: number
  readonly timeoutNs: number
  readonly startPeriodNs: number
  readonly startIntervalNs: number
  readonly retries: number
}

export interface OnbuildInstruction {
  readonly kind: 'onbuild'
  /** The text for `config.OnBuild`, heredocs included. */
  readonly expression: string
  readonly trigger: Instruction
}

export interface MaintainerInstruction {
  readonly kind: 'maintainer'
  readonly author: string
}

export type Instruction =
  | FromInstruction
  | RunInstruction
  | CmdInstruction
  | EntrypointInstruction
  | CopyInstruction
  | AddInstruction
  | EnvInstruction
  | LabelInstruction
  | ArgInstruction
  | WorkdirInstruction
  | UserInstruction
  | ExposeInstruction
  | VolumeInstruction
  | StopsignalInstruction
  | ShellInstruction
  | HealthcheckInstruction
  | OnbuildInstruction
  | MaintainerInstruction

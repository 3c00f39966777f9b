/**
 * The Dockerfile language: syntax, meaning, words, `.dockerignore`.
 *
 * @module
 */

export type {
  AddInstruction,
  ArgInstruction,
  CmdInstruction,
  CommandLine,
  CopyInstruction,
  EntrypointInstruction,
  EnvInstruction,
  ExposeInstruction,
  FromInstruction,
  HealthcheckInstruction,
  InlineSource,
  Instruction,
  InstructionFields,
  LabelInstruction,
  MaintainerInstruction,
  OnbuildInstruction,
  Pair,
  RunInstruction,
  ShellInstruction,
  SourcePosition,
  StopsignalInstruction,
  TriggerFields,
  UserInstruction,
  VolumeInstruction,
  WorkdirInstruction,
} from './instruction.js'
export type {
  Directive,
  Dockerfile,
  EscapeCharacter,
  Heredoc,
  SyntaxNode,
  SyntaxWarning,
} from './syntax.js'

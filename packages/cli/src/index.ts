/**
 * The process around every tool: options, streams, signals, exit status. The only package that parses arguments, and
 * the only one that exits.
 *
 * @module
 */

export type { Args, OptionSpec, OptionTable, Positionals } from './options.js'
export { type Input, runTool, type Tool, type ToolContext } from './run-tool.js'

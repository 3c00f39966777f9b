/**
 * The process around every tool: options, streams, signals, exit status. The only package that parses arguments, and
 * the only one that exits.
 *
 * @module
 */

export { HOST_OPTIONS, SSH_OPTIONS } from './cluster-options.js'
export { CONFIG_OPTIONS, type ConfigArgs } from './config-options.js'
export { type Args, type CommandHelp, type OptionTable, storeOption } from './options.js'
export { printable } from './printable.js'
export { readBytes, readInput } from './read-input.js'
export { REMOTE_OPTIONS, remoteAccess } from './remote-options.js'
export { runTool, type ToolContext } from './run-tool.js'
export { type Column, sizeText, tableForm } from './table.js'
export type { TextForm } from './text-writer.js'
export { timeAgo } from './time-ago.js'

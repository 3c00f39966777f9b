// Questions of scripts/figures.mjs to a syntax tree (ESTree with TypeScript's nodes, as oxc-parser gives it).
import { parseSync } from 'oxc-parser'

const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression'])
const LEVELS = new Set([
  'IfStatement',
  'ForStatement',
  'ForInStatement',
  'ForOfStatement',
  'WhileStatement',
  'DoWhileStatement',
  'SwitchStatement',
  'TryStatement',
])

/** Parses a file into a syntax tree. @throws if it is no TypeScript */
export function parse(file, text) {
  const { program, errors } = parseSync(file, text)
  if (errors.length > 0) throw new Error(`${file}: ${errors[0].message}`)
  return program
}

/** Every function: its name, first line, number of lines, deepest nesting, positional parameters, boolean ones. */
export function functionsOf(program, text) {
  const starts = lineStarts(text)
  const found = []
  walk(program, (node, parent) => {
    if (!FUNCTIONS.has(node.type) || node.body === null) return
    const line = lineAt(starts, node.start)
    found.push({
      name: nameOf(node, parent),
      line,
      lines: lineAt(starts, node.end) - line + 1,
      nesting: depthOf(node.body),
      parameters: node.params.length,
      booleans: node.params.filter(isBoolean).length,
    })
  })
  return found
}

/** Every import and re-export: its module and its names; `*` stands for all names. */
export function importsOf(program) {
  const found = []
  for (const node of program.body) {
    if (node.type === 'ImportDeclaration')
      found.push({ from: node.source.value, names: node.specifiers.map(importedName) })
    else if (node.type === 'ExportNamedDeclaration' && node.source !== null)
      found.push({ from: node.source.value, names: node.specifiers.map(({ local }) => local.name) })
    else if (node.type === 'ExportAllDeclaration') found.push({ from: node.source.value, names: ['*'] })
  }
  walk(program, node => {
    if (node.type === 'ImportExpression' && typeof node.source.value === 'string')
      found.push({ from: node.source.value, names: ['*'] })
  })
  return found
}

/** The names that a file exports from other files, which is all that an index file does. */
export function indexExports(program) {
  return program.body
    .filter(node => node.type === 'ExportNamedDeclaration' && node.source !== null)
    .flatMap(node => node.specifiers.map(({ exported }) => exported.name))
}

function importedName(specifier) {
  return specifier.type === 'ImportSpecifier' ? specifier.imported.name : '*'
}

function nameOf(node, parent) {
  return node.id?.name ?? parent?.key?.name ?? parent?.id?.name ?? 'a function'
}

function isBoolean(param) {
  const target = param.type === 'AssignmentPattern' ? param.left : param
  if (param.type === 'AssignmentPattern' && typeof param.right.value === 'boolean') return true
  return target.typeAnnotation?.typeAnnotation?.type === 'TSBooleanKeyword'
}

/** How deep statements that branch or repeat are nested; inside a nested function, counting starts anew. */
function depthOf(node, isElse) {
  if (node === null || typeof node !== 'object') return 0
  if (Array.isArray(node)) return Math.max(0, ...node.map(each => depthOf(each)))
  if (FUNCTIONS.has(node.type)) return 0
  // `else if` is one more branch of the same level.
  const own = LEVELS.has(node.type) && !isElse ? 1 : 0
  const inner = Object.entries(node).map(([key, value]) =>
    depthOf(value, node.type === 'IfStatement' && key === 'alternate' && value?.type === 'IfStatement'),
  )
  return own + Math.max(0, ...inner)
}

function walk(node, visit, parent) {
  if (node === null || typeof node !== 'object') return
  if (Array.isArray(node)) {
    for (const each of node) walk(each, visit, parent)
    return
  }
  if (typeof node.type === 'string') visit(node, parent)
  for (const value of Object.values(node)) walk(value, visit, node.type ? node : parent)
}

function lineStarts(text) {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return starts
}

function lineAt(starts, offset) {
  let low = 0
  let high = starts.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (starts[middle] <= offset) low = middle
    else high = middle
  }
  return low + 1
}

// The text form of a planned step, one line each:
//
//     NUMBER WHAT on BELOW [as USER] [in DIR] [with NAME=VALUE ...] [needs TREE:PATH, MOUNT, ...]
//
// WHAT is a command, or the step's line in the history. BELOW is `scratch`, `image NAME` or `step NUMBER`, or for a
// linked step `nothing, laid on ...`. Usual values are left out: the user root, the directory /, the variable PATH, the
// network of the host.

import type { Action, FetchedSource, SourceRoot, StepMount } from '@pipelayer/steps'

export interface StepNames {
  readonly number: number
  readonly createdBy: string
  readonly on: string
}

export function lineOf(action: Action, { number, createdBy, on }: StepNames): string {
  const needs = needsOf(action)
  const parts = [
    `${number} ${whatOf(action, createdBy)} on ${on}`,
    ...waysOf(action),
    ...(needs.length === 0 ? [] : [`needs ${needs.join(', ')}`]),
  ]
  return parts.join(' ')
}

function whatOf(action: Action, createdBy: string): string {
  if (action.kind !== 'run') return createdBy.replace(/ # buildkit$/, '')
  const [shell, flag, command = '', ...rest] = action.argv
  const isUsual = shell === '/bin/sh' && flag === '-c' && rest.length === 0
  return `RUN ${(isUsual ? command : JSON.stringify(action.argv)).replaceAll('\n', '\\n')}`
}

function waysOf(action: Action): string[] {
  if (action.kind === 'workdir') return action.user === '' ? [] : [`as ${action.user}`]
  if (action.kind === 'transfer') {
    const { workdir, unpack, excludes } = action
    return [
      ...(workdir === '/' ? [] : [`in ${workdir}`]),
      ...(unpack ? ['unpacking'] : []),
      ...excludes.map(pattern => `without ${pattern}`),
    ]
  }
  if (action.kind !== 'run') return []
  const { user, cwd, env, network, insecure, script } = action
  const variables = env.filter(([name]) => name !== 'PATH').map(([name, value]) => `${name}=${value}`)
  return [
    ...(user === '' ? [] : [`as ${user}`]),
    ...(cwd === '/' ? [] : [`in ${cwd}`]),
    ...(variables.length === 0 ? [] : [`with ${variables.join(' ')}`]),
    ...(network === 'host' ? [] : [`network ${network}`]),
    ...(insecure ? ['insecure'] : []),
    ...(script === undefined ? [] : [`script ${script.name}`]),
  ]
}

function needsOf(action: Action): string[] {
  if (action.kind === 'run') return action.mounts.map(mountText)
  if (action.kind !== 'transfer') return []
  const { root, sources, inline, fetched = [] } = action
  return [
    ...(sources.length === 0 ? [] : [`${rootText(root)}:${sources.join(' ')}`]),
    ...fetched.map(fetchedText),
    ...inline.map(file => `text ${file.name}=${'content' in file ? textOf(file.content) : file.digest}`),
  ]
}

function textOf(base64: string): string {
  return JSON.stringify(Buffer.from(base64, 'base64').toString())
}

function fetchedText(source: FetchedSource): string {
  return source.kind === 'file' ? `${source.path}${source.unpack ? ' unpacked' : ''}` : source.dir
}

function rootText(root: SourceRoot): string {
  return root.kind === 'context' ? root.dir : root.lowers.join(' ')
}

function mountText(mount: StepMount): string {
  switch (mount.type) {
    case 'bind':
      return `${rootText(mount.root)}:${mount.source} at ${mount.target}${mount.writable ? ' writable' : ''}`
    case 'cache': {
      const from = mount.origin === undefined ? '' : ` from ${rootText(mount.origin.root)}:${mount.source}`
      const sharing = mount.sharing === 'shared' ? '' : ` ${mount.sharing}`
      return `cache ${mount.id} at ${mount.target}${sharing}${mount.readonly ? ' readonly' : ''}${from}`
    }
    case 'tmpfs':
      return `tmpfs at ${mount.target}${mount.size === undefined ? '' : ` of ${mount.size}`}`
    case 'secret': {
      const where = [mount.target, mount.env === undefined ? undefined : `$${mount.env}`].filter(Boolean)
      return `secret ${mount.id} at ${where.join(' ')}${mount.from === undefined ? ' not given' : ''}`
    }
    default:
      return `ssh ${mount.id} at ${mount.target}${mount.told ? ' told' : ''}${mount.from === undefined ? ' not given' : ''}`
  }
}

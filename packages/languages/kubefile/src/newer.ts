/**
 * The Kubefile of sealer 0.9 and later: a Dockerfile with fewer instructions, and some of its own.
 *
 *     of a Dockerfile   ADD ARG COPY FROM LABEL MAINTAINER RUN ENV
 *     APP name url { url }           url = "local://" path | "http://" .. | "https://" ..
 *     APPCMDS app command            a JSON array of commands, or one text
 *     APPENV app name=value { name=value }
 *     CNI name url    CSI name url    KUBEVERSION constraint
 *     LAUNCH app { app } | JSON      the last instruction, once, not beside CMD
 *     CMDS command { command } | JSON    the last instruction, once
 *     CMD text | JSON                deprecated
 *
 * Differences to sealer: ENV is read as in a Dockerfile, `ENV name value` included; an APPENV or APPCMDS that names no
 * application of the file is refused only on `FROM scratch`, since a base image can bring applications.
 *
 * Spec: sealerio/sealer v0.11.0, build/kubefile
 *
 * @module
 */

import {
  type ArgumentForm,
  DOCKERFILE,
  type Grammar,
  instructionFields,
  interpretAll,
  parseDockerfile,
  quote,
  type SyntaxNode,
  suggest,
} from '@pipelayer/dockerfile'
import { type KubefileFields, refuse } from './fields.js'
import { parseListFlag } from './list-flag.js'

/** Words that a Dockerfile has too. */
const SHARED = ['ADD', 'ARG', 'COPY', 'FROM', 'LABEL', 'MAINTAINER', 'RUN', 'ENV'] as const

const OWN_FORMS: readonly (readonly [string, ArgumentForm])[] = [
  ['app', 'json-or-blanks'],
  ['appcmds', 'word-and-command'],
  ['appenv', 'words'],
  ['cmd', 'json-or-text'],
  ['cmds', 'json-or-blanks'],
  ['cni', 'json-or-blanks'],
  ['csi', 'json-or-blanks'],
  ['kubeversion', 'text'],
  ['launch', 'json-or-blanks'],
]

const SHARED_FORMS = SHARED.flatMap(name => {
  const form = DOCKERFILE.forms.get(name.toLowerCase())
  return form === undefined ? [] : [[name.toLowerCase(), form] as const]
})

/** Text behind a JSON array is ignored, as in sealer. */
const GRAMMAR: Grammar = {
  code: 'KUBEFILE_INVALID',
  forms: new Map([...SHARED_FORMS, ...OWN_FORMS]),
  heredocs: new Set(),
  directives: true,
  trailing: 'ignore',
}

/** The grammar of sealer's own parser: ENV has words, CMD and APPCMDS are split like a list. */
const RAW_GRAMMAR: Grammar = {
  ...GRAMMAR,
  forms: new Map([
    ...GRAMMAR.forms,
    ['env', 'words'],
    ['cmd', 'json-or-blanks'],
    ['appcmds', 'json-or-blanks'],
    ['appenv', 'json-or-blanks'],
  ]),
}

/** All keywords, in upper case. */
export const NEWER_NAMES: readonly string[] = [...GRAMMAR.forms.keys()].map(name => name.toUpperCase())

const APPLICATIONS = new Set(['APP', 'CNI', 'CSI'])
const APP_URL = /^(local|https?):\/\/./

/**
 * The syntax as sealer's own parser has it: keywords in lower case, LABEL in pairs without `=`, unknown words kept.
 *
 * @throws ToolError `KUBEFILE_INVALID` as `FILE:LINE:COLUMN: ...`
 */
export function parseRawKubefile(source: string | Uint8Array, file = 'Kubefile'): readonly SyntaxNode[] {
  const { instructions } = parseDockerfile(source, { file, grammar: RAW_GRAMMAR })
  return instructions.map(node => {
    const cmd = node.cmd.toLowerCase()
    return {
      ...node,
      cmd,
      args: cmd === 'label' ? node.args.filter((_, index) => index % 3 !== 2) : node.args,
    }
  })
}

/**
 * Parses and checks a Kubefile of the newer dialect.
 *
 * @throws ToolError `KUBEFILE_INVALID`, and `DOCKERFILE_INVALID` for errors in what both languages share
 */
export function parseNewer(source: string | Uint8Array, file: string): readonly KubefileFields[] {
  const parsed = parseDockerfile(source, { file, grammar: GRAMMAR })
  const list = parsed.instructions.map(node =>
    newerFields(node, instructionFields(node, { file, escape: parsed.escape })),
  )
  for (const fields of list) checkInstruction(fields)
  interpretAll(list.filter(fields => isShared(fields.name)))
  checkOrder(list)
  checkApplications(list)
  return list
}

function newerFields(node: SyntaxNode, fields: Omit<KubefileFields, 'dialect'>): KubefileFields {
  const shell = fields.name === 'APPCMDS' && !node.json
  const flags = fields.name === 'FROM' ? { flags: fields.flags.map(onePlatform) } : {}
  return { ...fields, ...flags, ...(shell ? { form: 'shell' } : {}), dialect: 'kubefile' }
}

/** sealer reads `--platform` as a list and uses its first value. */
function onePlatform(flag: string): string {
  const list = parseListFlag(flag)
  return list?.name === 'platform' ? `--platform=${list.values[0]}` : flag
}

function isShared(name: string): boolean {
  return SHARED.some(one => one === name)
}

function checkInstruction(fields: KubefileFields): void {
  const { name, args, flags } = fields
  if (!NEWER_NAMES.includes(name)) {
    const similar = suggest(name, NEWER_NAMES)
    refuse(
      fields,
      `${quote(name)} is no instruction of a Kubefile${similar ? ` (did you mean ${similar}?)` : ''}`,
    )
  }
  if (isShared(name)) return
  if (flags[0] !== undefined) refuse(fields, `${name} has no flags, here is ${quote(flags[0])}`)
  if (args.length === 0) refuse(fields, `${name} needs an argument`)
  if (APPLICATIONS.has(name)) checkApplication(fields)
  if (name === 'APPENV') checkAppEnv(fields)
  if (name === 'APPCMDS' && args.length < 2) refuse(fields, 'APPCMDS needs an application and a command')
}

function checkApplication(fields: KubefileFields): void {
  const urls = fields.args.slice(1)
  if (urls.length === 0) refuse(fields, `${fields.name} needs a name and a URL`)
  const wrong = urls.find(url => !APP_URL.test(url))
  if (wrong !== undefined) refuse(fields, `${quote(wrong)} begins with none of local://, http://, https://`)
}

function checkAppEnv(fields: KubefileFields): void {
  const pairs = fields.args.slice(1)
  if (pairs.length === 0) refuse(fields, 'APPENV needs an application and name=value')
  const wrong = pairs.find(pair => pair.indexOf('=') < 1)
  if (wrong !== undefined) refuse(fields, `${quote(wrong)} has to be name=value`)
}

function checkOrder(list: readonly KubefileFields[]): void {
  for (const name of ['LAUNCH', 'CMDS']) {
    const [first, second] = list.filter(fields => fields.name === name)
    if (second !== undefined) refuse(second, `a second ${name}: a Kubefile has one`)
    if (first !== undefined && first !== list.at(-1)) refuse(first, `${name} has to be the last instruction`)
  }
  const launch = list.find(fields => fields.name === 'LAUNCH')
  if (launch !== undefined && list.some(fields => fields.name === 'CMD')) {
    refuse(launch, 'LAUNCH and CMD exclude each other')
  }
}

/** Checks the names of applications, as far as the file alone allows. */
function checkApplications(list: readonly KubefileFields[]): void {
  const bases = list.filter(fields => fields.name === 'FROM').map(fields => fields.args[0])
  if (bases.some(base => base !== 'scratch')) return
  const known = new Set<string | undefined>()
  for (const fields of list) {
    if (APPLICATIONS.has(fields.name)) known.add(fields.args[0])
    const used =
      fields.name === 'LAUNCH'
        ? fields.args
        : /^APP(ENV|CMDS)$/.test(fields.name)
          ? fields.args.slice(0, 1)
          : []
    const unknown = used.find(app => !known.has(app.trim()))
    if (unknown !== undefined) refuse(fields, `no application ${quote(unknown)} stands above it`)
  }
}

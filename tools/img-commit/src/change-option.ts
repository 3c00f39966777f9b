/**
 * The option `--change`: instructions of a Dockerfile that change the config of an image.
 *
 * @module
 */
import path from 'node:path'
import {
  expand,
  fileFields,
  type Instruction,
  interpret,
  parseDockerfile,
  parsePorts,
} from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import type { ImageEdits } from '@pipelayer/image-edits'

type Edits = ImageEdits['config']

/** The edits of all instructions, in their order. @throws ToolError `USAGE`, status 2, for one that cannot be taken */
export function editsOfInstructions(texts: readonly string[]): Edits {
  let edits: Edits = {}
  for (const text of texts) {
    try {
      for (const fields of fileFields(parseDockerfile(text), '--change'))
        edits = withInstruction(edits, interpret(fields))
    } catch (error) {
      if (!(error instanceof ToolError)) throw error
      throw new ToolError('USAGE', `cannot take --change ${JSON.stringify(text)}: ${error.message}`, {
        cause: error,
        status: 2,
      })
    }
  }
  return edits
}

function withInstruction(edits: Edits, step: Instruction): Edits {
  switch (step.kind) {
    case 'cmd':
      return { ...edits, cmd: argv(step) }
    case 'entrypoint':
      return { ...edits, entrypoint: argv(step) }
    case 'env':
      return { ...edits, env: [...(edits.env ?? []), ...step.pairs.map(pairOf)] }
    case 'label':
      return { ...edits, labels: [...(edits.labels ?? []), ...step.pairs.map(pairOf)] }
    case 'expose':
      return { ...edits, expose: [...(edits.expose ?? []), ...step.ports.map(word).flatMap(parsePorts)] }
    case 'volume':
      return { ...edits, volumes: [...(edits.volumes ?? []), ...step.paths.map(word)] }
    case 'user':
      return { ...edits, user: word(step.user) }
    case 'workdir':
      return { ...edits, workingDir: absolute(word(step.path)) }
    case 'stopsignal':
      return { ...edits, stopSignal: word(step.signal) }
    case 'onbuild':
      return { ...edits, onBuild: [...(edits.onBuild ?? []), step.expression] }
    default:
      throw refused(
        'it takes CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME and WORKDIR',
      )
  }
}

function argv({
  shell,
  command,
}: {
  readonly shell: boolean
  readonly command: readonly string[]
}): string[] {
  return shell ? ['/bin/sh', '-c', command.join(' ')] : [...command]
}

function pairOf({ name, value }: { readonly name: string; readonly value: string }): string {
  return `${word(name)}=${word(value)}`
}

// The variables of the image are not known yet, and a variable that is not known would be empty without notice.
function word(text: string): string {
  const { word: result, unmatched } = expand(text, { env: {} })
  const [name] = unmatched
  if (name !== undefined) throw refused(`it cannot use the variable ${name}: write its value`)
  return result
}

function absolute(dir: string): string {
  if (path.posix.isAbsolute(dir)) return dir
  throw refused('WORKDIR needs an absolute path')
}

function refused(why: string): ToolError {
  return new ToolError('USAGE', why, { status: 2 })
}

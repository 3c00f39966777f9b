import {
  type AddInstruction,
  type CopyInstruction,
  expandWord,
  type InlineSource,
} from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import type { Expander } from './config-step.js'
import { isRemote } from './copy-paths.js'
import { createdBy } from './created-by.js'
import type { TransferAction } from './executor-protocol.js'
import { parseMode } from './file-mode.js'
import type { LayerStep, Source } from './layer-step.js'
import { binaryOf } from './rooted.js'
import { contentOf } from './run-plan.js'
import type { StageState } from './stage-state.js'

export interface TransferRequest {
  readonly instruction: CopyInstruction | AddInstruction
  readonly expand: Expander
  /** Nanoseconds since 1970, for what has no source. */
  readonly timeNs: string
  /** SOURCE_DATE_EPOCH. */
  readonly epoch: number | undefined
  readonly source: Source
}

/**
 * From COPY or ADD to what is executed. Sources are looked for already here: a missing one is an error, whatever the
 * cache has.
 *
 * @throws {ToolError} `NOT_FOUND`, `NOT_SUPPORTED`, `CHMOD_INVALID`
 */
export function planTransfer(state: StageState, request: TransferRequest): LayerStep {
  const { instruction, expand, source } = request
  const sources = instruction.sources.map(expand.word)
  const dest = expand.word(instruction.dest)
  for (const each of sources) refuseRemote(instruction, each)
  const inline = instruction.heredocs.map(file => ({
    name: expand.word(file.path),
    content: inlineContent(file, state),
  }))
  const action: Omit<TransferAction, 'root' | 'timeNs'> = {
    kind: 'transfer',
    sources: sources.map(binaryOf),
    inline: inline.map(file => ({ name: binaryOf(file.name), content: file.content.toString('base64') })),
    dest: binaryOf(dest),
    workdir: binaryOf(state.doc.config.WorkingDir || '/'),
    ...given('chown', instruction.chown, expand),
    ...given('chmod', instruction.chmod, expand),
    parents: instruction.kind === 'copy' && instruction.parents,
    excludes: instruction.excludes.map(expand.word),
    unpack: instruction.kind === 'add' && instruction.unpack !== false,
  }
  if (action.chmod !== undefined) parseMode(action.chmod)
  const digest = sources.length === 0 ? '' : source.key(action)
  const { epoch } = request
  const expected = { digest, ...(epoch === undefined ? {} : { epoch }) }
  return {
    createdBy: createdBy.transfer({
      name: instruction.kind === 'copy' ? 'COPY' : 'ADD',
      parents: action.parents,
      chown: action.chown,
      chmod: action.chmod,
      sources,
      inline: inline.map(file => file.name),
      dest,
    }),
    key: { ...action, source: digest },
    action: async locate => ({
      ...action,
      timeNs: request.timeNs,
      ...(source.tree.kind === 'context' && sources.length > 0 ? { expected } : {}),
      root: sources.length === 0 ? { kind: 'chain', lowers: [] } : await locate(source.tree),
    }),
  }
}

function given<K extends 'chown' | 'chmod'>(
  name: K,
  value: string | undefined,
  expand: Expander,
): { readonly [P in K]?: string } {
  const text = value === undefined ? '' : expand.word(value)
  return (text === '' ? {} : { [name]: text }) as { readonly [P in K]?: string }
}

function refuseRemote(instruction: CopyInstruction | AddInstruction, source: string): void {
  if (!isRemote(source)) return
  if (instruction.kind === 'copy')
    throw new ToolError('NOT_SUPPORTED', `COPY takes files, not the address ${source}`)
  throw new ToolError('NOT_SUPPORTED', `ADD from the network (${source}) is not supported yet`)
}

// Quotes in a file are text; only variables mean something.
function inlineContent(file: InlineSource, state: StageState): Buffer {
  const content = contentOf(file)
  if (!file.expand) return content
  return Buffer.from(expandWord(content.toString('utf8'), { env: state.scope.values(), quotes: 'ignore' }))
}

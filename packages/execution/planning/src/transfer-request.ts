import type { Digest } from '@pipelayer/digest'
import { type AddInstruction, type CopyInstruction, expandWord, isRemote } from '@pipelayer/dockerfile'
import { ToolError } from '@pipelayer/errors'
import { binaryOf } from '@pipelayer/rootfs'
import {
  type ExpectedFiles,
  type FetchedSource,
  type InlineContent,
  parseMode,
  type Remote,
  type RemoteFinder,
  type TransferAction,
} from '@pipelayer/steps'
import type { Expander } from './config-step.js'
import { createdBy } from './created-by.js'
import { contentOf, keyOfContent } from './heredoc-body.js'
import type { LayerStep, Source } from './layer-step.js'
import { type PlanRequest, timeNs } from './plan-request.js'
import type { StageState } from './stage-state.js'

export interface TransferRequest {
  readonly instruction: CopyInstruction | AddInstruction
  readonly expand: Expander
  readonly source: Source
  readonly plan: Pick<PlanRequest, 'time' | 'remotes' | 'blobs'>
}

/**
 * Plans COPY or ADD. Sources are looked up while planning: a missing one is an error, even if a cache has the step.
 *
 * @throws {ToolError} `NOT_FOUND`, `SOURCE_INVALID`, `CHECKSUM_INVALID`, `CHMOD_INVALID`, and those of
 * {@link RemoteFinder.find}
 */
export async function planTransfer(state: StageState, request: TransferRequest): Promise<LayerStep> {
  const { instruction, expand, source } = request
  const words = instruction.sources.map(expand.word)
  const dest = expand.word(instruction.dest)
  const remotes = await findRemotes(words, request)
  const sources = words.filter((_, index) => !remotes.some(remote => remote.index === index))
  const inline = await inlineFiles(state, request)
  const action: Omit<TransferAction, 'root' | 'timeNs'> = {
    kind: 'transfer',
    sources: sources.map(binaryOf),
    inline: inline.map(({ name, content }) => ({ name: binaryOf(name), ...content })),
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
  const expected = expectedFiles(source, digest, request.plan.time.epoch)
  const fetched = remotes.map(({ before, remote }) => ({ before, key: remote.key }))
  return {
    createdBy: createdBy.transfer({
      name: instruction.kind === 'copy' ? 'COPY' : 'ADD',
      parents: action.parents,
      chown: action.chown,
      chmod: action.chmod,
      sources: words,
      inline: inline.map(file => file.name),
      dest,
    }),
    ...(instruction.link && canLink(action) ? { linked: true as const } : {}),
    key: {
      ...action,
      inline: keysOf(action.inline),
      source: digest,
      ...(fetched.length === 0 ? {} : { fetched }),
    },
    action: async locate => ({
      ...action,
      timeNs: timeNs(request.plan.time),
      ...(remotes.length === 0 ? {} : { fetched: await fetchAll(remotes) }),
      ...(source.tree.kind === 'context' && sources.length > 0 ? { expected } : {}),
      root: sources.length === 0 ? { kind: 'chain', lowers: [] } : await locate(source.tree),
    }),
  }
}

// As with BuildKit, --link is ignored beside --chmod. It is also ignored beside names in --chown, which are looked up
// in the chain below.
function canLink({ chown, chmod }: Pick<TransferAction, 'chown' | 'chmod'>): boolean {
  return chmod === undefined && (chown === undefined || /^\d+(:\d+)?$/.test(chown))
}

function expectedFiles(source: Source, digest: Digest | '', epoch: number | undefined): ExpectedFiles {
  const state = digest === '' ? undefined : source.state?.(digest)
  return { digest, ...(state === undefined ? {} : { state }), ...(epoch === undefined ? {} : { epoch }) }
}

function given<K extends 'chown' | 'chmod'>(
  name: K,
  value: string | undefined,
  expand: Expander,
): { readonly [P in K]?: string } {
  const text = value === undefined ? '' : expand.word(value)
  return (text === '' ? {} : { [name]: text }) as { readonly [P in K]?: string }
}

interface PlacedRemote {
  /** Its position among all sources. */
  readonly index: number
  /** How many sources before it are paths. */
  readonly before: number
  readonly remote: Remote
}

async function findRemotes(words: readonly string[], request: TransferRequest): Promise<PlacedRemote[]> {
  const { instruction, plan, expand } = request
  const isThere = words.map(isRemote)
  const checksum = checksumOf(request, isThere)
  const found: PlacedRemote[] = []
  for (const [index, word] of words.entries()) {
    if (!isThere[index]) continue
    if (instruction.kind === 'copy')
      throw new ToolError('SOURCE_INVALID', `COPY takes files: ADD fetches ${expand.word(word)}`)
    const before = index - found.length
    const { keepGitDir, unpack } = instruction
    found.push({ index, before, remote: await plan.remotes.find(word, { checksum, keepGitDir, unpack }) })
  }
  return found
}

function checksumOf({ instruction, expand }: TransferRequest, isThere: boolean[]): string | undefined {
  if (instruction.kind === 'copy' || instruction.checksum === undefined) return undefined
  if (isThere.length !== 1 || instruction.heredocs.length > 0)
    throw new ToolError('CHECKSUM_INVALID', '--checksum is for one source')
  if (isThere[0] !== true) throw new ToolError('CHECKSUM_INVALID', '--checksum is for sources of the network')
  return expand.word(instruction.checksum)
}

async function fetchAll(remotes: readonly PlacedRemote[]): Promise<FetchedSource[]> {
  const fetched: FetchedSource[] = []
  for (const { before, remote } of remotes) fetched.push(await remote.fetch(before))
  return fetched
}

interface InlineFile {
  readonly name: string
  readonly content: InlineContent
}

// In the content of a heredoc file, quotes have no meaning and variables are expanded. Its name stays as it is written:
// `<<a$b` makes `a$b`.
async function inlineFiles(state: StageState, request: TransferRequest): Promise<InlineFile[]> {
  const { instruction, plan } = request
  const env = state.scope.values()
  // A text without these two characters does not change, which is quickly found out for a long text.
  const change = (text: string): string =>
    /[$\\]/.test(text) ? expandWord(text, { env, quotes: 'ignore' }) : text
  const files: InlineFile[] = []
  for (const file of instruction.heredocs) {
    const content = await contentOf(file, { store: plan.blobs, ...(file.expand ? { change } : {}) })
    files.push({ name: file.path, content })
  }
  return files
}

function keysOf(inline: TransferAction['inline']): readonly object[] {
  return inline.map(file => ({ name: file.name, ...keyOfContent(file) }))
}

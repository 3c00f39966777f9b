/**
 * Targets that read texts: documents of registries, references, challenges, Dockerfiles, Kubefiles, records.
 *
 * @module
 */
import { Readable } from 'node:stream'
import {
  expandWord,
  fileFields,
  ignoreMatcher,
  interpretAll,
  matchGlob,
  parseDockerfile,
  parseIgnore,
} from '@pipelayer/dockerfile'
import { parseKubefile } from '@pipelayer/kubefile'
import { parseConfig, parseDescriptor, parseManifest, parsePlatform } from '@pipelayer/oci'
import { formatRecord, readRecords, readReferences } from '@pipelayer/records'
import { formatReference, parseAny, parseNormalized, parseReference } from '@pipelayer/reference'
import { parseChallenges, parseContentRange, parseEntry } from '@pipelayer/registry'
import type { Corpus } from './corpus.js'
import { JSON_WORDS, textMutators } from './mutate-text.js'
import type { Random } from './random.js'
import { chunks, refusable, same, type Target } from './target.js'
import { CHALLENGES, CONFIGS, DOCKERFILES, KUBEFILES, MANIFESTS, RECORDS, REFERENCES } from './texts.js'

const DOCKER_WORDS = [
  ...['FROM ', 'RUN ', 'COPY ', 'ADD ', 'ENV ', 'ARG ', 'ONBUILD ', 'HEALTHCHECK ', 'SHELL ', 'EXPOSE '],
  ...['--from=', '--mount=type=', '--chmod=', '<<EOF\n', '<<-"E"\n', 'EOF\n', '\\\n', '`\n', '# escape=`\n'],
  ...[
    '${a:-',
    '${a#',
    '${a//',
    '$',
    '}',
    '"',
    "'",
    '[',
    ']',
    '\t',
    '\r\n',
    '\0',
    '\ufeff',
    ',',
    '=',
    '*',
    '**',
  ],
]
const REFERENCE_WORDS = [
  '/',
  ':',
  '@',
  '.',
  '-',
  '__',
  'sha256:',
  'a'.repeat(64),
  '[::1]',
  'A',
  '80',
  'localhost',
]
const CHALLENGE_WORDS = ['Bearer ', 'Basic ', 'realm=', '"', ',', '=', '\\', ' ', 'scope="', 'a==', '\t']

export function textTargets(corpus: Corpus): Target[] {
  const json = textMutators(JSON_WORDS)
  const docker = textMutators(DOCKER_WORDS)
  const dockerfiles = [...DOCKERFILES.map(bytes), ...corpus.texts(/Dockerfile[^/]*$/i)]
  const kubefiles = [...KUBEFILES.map(bytes), ...corpus.texts(/Kubefile[^/]*$/i)]
  return [
    { name: 'documents', corpus: [...MANIFESTS, ...CONFIGS].map(bytes), mutators: json, run: documents },
    {
      name: 'reference',
      corpus: REFERENCES.map(bytes),
      mutators: textMutators(REFERENCE_WORDS),
      run: references,
    },
    {
      name: 'challenge',
      corpus: CHALLENGES.map(bytes),
      mutators: textMutators(CHALLENGE_WORDS),
      run: challenges,
    },
    { name: 'dockerfile', corpus: dockerfiles, mutators: docker, run: dockerfile },
    { name: 'kubefile', corpus: kubefiles, mutators: docker, run: kubefile },
    { name: 'records', corpus: RECORDS.map(bytes), mutators: json, run: records },
  ]
}

function bytes(text: string): Buffer {
  return Buffer.from(text)
}

async function documents(input: Buffer): Promise<void> {
  await refusable(() => parseManifest(input))
  await refusable(() => parseManifest(input, { mediaType: 'application/vnd.oci.image.index.v1+json' }))
  await refusable(() => parseConfig(input))
  const value = json(input.toString())
  await refusable(() => parseDescriptor(value))
  await refusable(() => parseEntry(value))
}

function json(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Checks that a reference that is accepted can be written, and is the same when it is read again. */
async function references(input: Buffer): Promise<void> {
  const text = input.toString()
  for (const parse of [parseReference, parseNormalized]) {
    const found = await refusable(() => formatReference(parse(text)))
    if (found !== undefined) same('formatted and parsed', formatReference(parse(found)), found)
  }
  await refusable(() => parseAny(text))
  await refusable(() => parsePlatform(text))
  parseContentRange(text)
}

function challenges(input: Buffer): void {
  const text = input.toString('latin1')
  for (const { scheme } of parseChallenges(text)) if (scheme === '') throw new Error('a scheme of no name')
}

async function dockerfile(input: Buffer): Promise<void> {
  await refusable(() => interpretAll(fileFields(parseDockerfile(input), 'Dockerfile')))
  const text = input.toString().slice(0, 2000)
  await refusable(() => expandWord(text, { env: { a: 'one/two', b: '' } }))
  const [pattern = '', name = ''] = text.split('\n')
  await refusable(() => matchGlob(pattern, name))
  await refusable(() => ignoreMatcher(parseIgnore(text)).ignores('a/b/c.txt'))
}

async function kubefile(input: Buffer): Promise<void> {
  await refusable(() => parseKubefile(input))
}

/** Checks that the stream ends or fails, and that each record can be written and is the same when it is read again. */
async function records(input: Buffer, random: Random): Promise<void> {
  const read = random.oneIn(4) ? readReferences : readRecords
  await refusable(async () => {
    for await (const record of read(Readable.from(chunks(input, random))))
      same('a record', formatRecord(JSON.parse(formatRecord(record))), formatRecord(record))
  })
}

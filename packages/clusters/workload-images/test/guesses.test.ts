// Images that no field called image names, and which of two findings counts.
import t from 'tap'
import { type FoundImage, imageReferences, type ScanResult, textImages } from '../src/index.js'
import { imagesOf, isQualified, namesImage } from '../src/plausible.js'

const short = ({ reference, line, foundIn, guess }: FoundImage): string =>
  `${line} ${foundIn} ${reference}${guess ? '?' : ''}`

t.test('resources that hand images to their programs', t => {
  const rows: readonly { text: string; want: readonly string[]; why: string }[] = [
    {
      text: 'containers:\n- args:\n  - daemon\n  - --engine-image\n  - example/engine:v1\n  - --service-account\n  - a/b:c\n',
      want: ['5 argument example/engine:v1?'],
      why: 'an argument and its value',
    },
    {
      text: 'command: [x, --config-reloader=quay.io/example/reloader:v1, -nop-image, "gcr.io/a/nop@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]\n',
      want: [
        '1 argument quay.io/example/reloader:v1?',
        '1 argument gcr.io/a/nop@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?',
      ],
      why: 'in one argument, where a full name needs no flag that says image',
    },
    {
      text: 'args: [--image-pull-policy=a/b:c, --default-base-image=quay.io/a/b, --redis, "redis:6379", --repo=https://a.b/c:1, --addr=10.0.0.1:80/a:b, --image, --other]\n',
      want: [],
      why: 'what only looks like one',
    },
    {
      text: 'env:\n- name: RELATED_IMAGE_proxy_v2\n  value: quay.io/a/proxy:2\n- name: A_IMAGE\n  value: a/b\n- name: IMAGE_TAG\n  value: a:1\n- name: B_IMAGE\n  valueFrom: {x: y}\n- {name: C_IMAGE, value: "no image"}\n- {name: OTHER, value: "quay.io/a/b:1"}\n',
      want: ['3 environment quay.io/a/proxy:2?', '5 environment a/b?'],
      why: 'variables by their names',
    },
    {
      text: 'env:\n- name: KAFKA_IMAGES\n  value: |\n    3.6.1=quay.io/a/kafka:x-3.6.1\n    3.7.0=quay.io/a/kafka:x-3.7.0\n',
      want: ['4 environment quay.io/a/kafka:x-3.6.1?', '4 environment quay.io/a/kafka:x-3.7.0?'],
      why: 'several in one variable',
    },
    { text: 'env: {SIDE_IMAGE: "a/side:1"}\n', want: ['1 environment a/side:1?'], why: 'variables as a map' },
    {
      text: 'kind: ConfigMap\ndata:\n  CSI_IMAGE: "quay.io/a/csi:1"\n  CSI_IMAGE_TAG: "a:2"\n  pod.yaml: |\n    containers:\n    - image: "a/pod:1"\n      other: a/b:1\n    - image: {{ .Values.x }}:1\n',
      want: ['3 config quay.io/a/csi:1?', '7 config a/pod:1?'],
      why: 'a ConfigMap, and a file in it',
    },
    { text: 'data:\n  X_IMAGE: a/b:1\n', want: [], why: 'data of another kind' },
    {
      text: 'spec:\n  driver: {repository: nvcr.example/a, image: driver, version: "1"}\n',
      want: ['2 image nvcr.example/a/driver:1?'],
      why: 'a name in three parts',
    },
    {
      text: 'containers:\n- image: "{{ .Values.x }}:1"\n- image: a:1\n',
      want: ['3 container a:1'],
      why: 'an image with an action in it, in a text that is YAML all the same',
    },
    {
      text: 'containers:\n- image: {{ x }}:1\n- image: a:1\n',
      want: ['3 template a:1?'],
      why: 'as in one that is none',
    },
  ]
  for (const { text, want, why } of rows) t.same(textImages(text, 'm').map(short), want, why)
  t.same(
    textImages('env: [{name: A_IMAGE, value: "a/b:1"}]\ncontainers: [{image: "c:1"}]\n', 'm').map(
      one => one.why,
    ),
    ['the variable A_IMAGE', 'the image of a container'],
  )
  for (const name of [
    'engine-image',
    'executorImage',
    'IMAGE',
    'X_IMAGES',
    'image-name',
    'RELATED_IMAGE_a_tag',
  ])
    t.ok(namesImage(name), name)
  for (const name of [
    'image-pull-policy',
    'imagePullSecrets',
    'base-image',
    'image-repository',
    'imagery',
    'x',
  ])
    t.notOk(namesImage(name), name)
  t.notOk(isQualified('a/b:1'))
  t.notOk(isQualified('quay.io/a/b'))
  t.same(imagesOf(`${'a/b:1 '.repeat(3)}x y`), [])
  t.end()
})

const image = (reference: string, more: Partial<FoundImage>): ScanResult => ({
  type: 'image',
  image: { reference, file: 'f', foundIn: 'container', ...more },
})

async function records(results: readonly ScanResult[], explains = false): Promise<readonly string[]> {
  const warnings: string[] = []
  const options = {
    tool: 't',
    warn: (message: string) => void warnings.push(`warning ${message}`),
    onLogin: () => undefined,
    explains,
  }
  async function* each(): AsyncGenerator<ScanResult, void, void> {
    yield* results
  }
  const lines: string[] = []
  for await (const { type, reference, line, guess, why, message } of imageReferences(each(), options))
    lines.push(
      type === 'failed'
        ? `failed ${message}`
        : `${reference} ${line}${guess ? '?' : ''}${why ? ` ${why}` : ''}`,
    )
  return [...lines, ...warnings]
}

t.test('a certain finding goes before a guess', async t => {
  const guess = image('docker.io/library/a:1', { line: 1, foundIn: 'values', guess: true, why: 'w' })
  const certain = image('a:1', { line: 2, why: 'c' })
  const other = image('b:1', { line: 3 })
  t.same(await records([guess, other, certain]), ['b:1 3', 'a:1 2'], 'behind it')
  t.same(await records([certain, guess, other]), ['a:1 2', 'b:1 3'], 'in front of it')
  t.same(await records([guess, other, guess]), ['docker.io/library/a:1 1?', 'b:1 3'], 'a guess alone')
  t.same(await records([guess, certain, certain, guess]), ['a:1 2'], 'once')
  t.same(await records([guess, certain], true), ['a:1 2 c'], 'with its reason')
  t.same(
    await records([
      { type: 'warning', code: 'C', message: 'm' },
      guess,
      image('b:', { line: 4 }),
      image('B c', { line: 5, foundIn: 'environment', guess: true }),
    ]),
    [
      'docker.io/library/a:1 1?',
      'failed f:4: invalid reference "docker.io/library/b:": expected [HOST[:PORT]/]PATH[:TAG][@DIGEST]',
      'warning m',
      'warning f:5: invalid reference "B c": the path must be lower case',
    ],
    'failures and warnings',
  )
})

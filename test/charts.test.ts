// kf-images as people run it: thousands of manifests, long lines, a chart with and without helm, reasons.
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import { ROOT, tempDir } from '@pipelayer/testkit'
import t from 'tap'

const ALL = process.env.PIPELAYER_TEST_ALL === '1'
const MANIFESTS = ALL ? 8000 : 800
/** Bounds for 8,000 manifests; fewer take less. */
const MOST_SECONDS = 20
const MOST_KIBIBYTES = 200 * 1024

interface Run {
  readonly lines: readonly Readonly<Record<string, unknown>>[]
  readonly stderr: string
  readonly status: number | null
}

function kfImages(
  args: readonly string[],
  options: { readonly input?: string; readonly env?: Record<string, string> } = {},
): Run {
  const { stdout, stderr, status } = spawnSync(path.join(ROOT, 'bin/kf-images'), args, {
    encoding: 'utf8',
    input: options.input ?? '',
    env: { ...process.env, ...options.env },
    maxBuffer: 256 * 1024 * 1024,
  })
  return {
    lines: stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line)),
    stderr,
    status,
  }
}

function write(dir: string, files: Readonly<Record<string, string>>): string {
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(dir, file)), { recursive: true })
    fs.writeFileSync(path.join(dir, file), text)
  }
  return dir
}

/** The environment of a program that says at its end how much time and memory it took. */
function probed(dir: string): Record<string, string> {
  const text = `process.on('exit', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage()
  process.stderr.write(\`cost=\${maxRSS} \${userCPUTime + systemCPUTime}\\n\`)
})`
  write(dir, { 'probe.cjs': text })
  return { NODE_OPTIONS: `--require ${dir}/probe.cjs` }
}

function costOf(stderr: string): { readonly seconds: number; readonly kibibytes: number } {
  const [, kibibytes, microseconds] = /cost=(\d+) (\d+)/.exec(stderr) ?? []
  return { kibibytes: Number(kibibytes), seconds: Number(microseconds) / 1e6 }
}

/** A deployment, a service and a ConfigMap, as they are usual. */
function manifest(number: number): string {
  const labels = Array.from({ length: 20 }, (_, at) => `    label-${at}: value-${number}-${at}\n`).join('')
  return `apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-${number}
  labels:
${labels}spec:
  template:
    metadata:
      labels:
${labels.replaceAll('    ', '        ')}    spec:
      initContainers:
      - {name: init, image: "example/init:${number % 50}", command: [sh, -c, "echo $(date)"]}
      containers:
      - name: app
        image: example.org/team-${number % 7}/app-${number}:1.${number}
        args: [--listen=0.0.0.0:8080, --config=/etc/app.yaml]
        env:
        - {name: RELATED_IMAGE_SIDE, value: "quay.io/example/side:${number % 20}"}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: app-${number}}
data:
  app.yaml: |
${'    key: a value of some length, and more of it\n'.repeat(30)}`
}

t.test('many manifests', t => {
  const dir = tempDir(t, 'manifests')
  const names = Array.from({ length: MANIFESTS }, (_, at) => `manifests/${at % 100}/app-${at}.yaml`)
  write(dir, Object.fromEntries(names.map((name, at) => [name, manifest(at)])))
  const { lines, stderr, status } = kfImages([dir], { env: probed(dir) })
  const { seconds, kibibytes } = costOf(stderr)
  t.equal(status, 0)
  t.equal(lines.length, MANIFESTS + 50 + 20 + 1, 'one record for each image, and the end')
  t.ok(seconds < MOST_SECONDS, `${MANIFESTS} manifests in ${seconds.toFixed(1)} s`)
  t.ok(kibibytes < MOST_KIBIBYTES, `${MANIFESTS} manifests in ${kibibytes} KiB`)
  t.end()
})

t.test('a line of 100,000 braces', t => {
  const dir = tempDir(t, 'braces')
  const input = `image: ${'{{'.repeat(100_000)}\na: b: c\nimage: a:1\n`
  const { lines, stderr, status } = kfImages(['-'], { input, env: probed(dir) })
  t.equal(status, 0)
  t.match(lines, [{ reference: 'a:1', line: 3, guess: true }, { type: 'end' }])
  t.ok(costOf(stderr).seconds < 5, 'is read in linear time')
  t.end()
})

t.test('a chart', t => {
  const dir = write(tempDir(t, 'chart'), {
    'app/Chart.yaml': 'name: app\nappVersion: 1.2.3\ndependencies:\n- name: gone\n',
    'app/values.yaml': 'image: {repository: example/app, tag: ""}\n',
    'app/templates/_h.tpl': '{{ define "i" }}{{ .repository }}:{{ .tag | default "none" }}{{ end }}',
    'app/templates/a.yaml':
      'containers:\n- image: {{ include "i" (merge (dict "tag" (printf "v%s" .Chart.AppVersion)) .Values.image) }}\n  args: [--side-image, "example/side:1"]\n',
    'bin/helm':
      '#!/bin/sh\nprintf -- "---\\n# Source: app/templates/a.yaml\\ncontainers:\\n- image: example/helm:1\\n"\n',
  })
  fs.chmodSync(path.join(dir, 'bin/helm'), 0o755)
  const chart = path.join(dir, 'app')
  const { lines, stderr, status } = kfImages(['--explain', '--helm', 'none', chart])
  t.equal(status, 0)
  t.match(lines, [
    {
      reference: 'example/app:v1.2.3',
      file: `${chart}/values.yaml`,
      line: 1,
      foundIn: 'values',
      guess: true,
      why: 'the value image',
    },
    {
      reference: 'example/side:1',
      line: 3,
      foundIn: 'argument',
      guess: true,
      why: 'the argument --side-image',
    },
    { type: 'end' },
  ])
  t.match(
    stderr,
    /app\/Chart\.yaml:4: gone, on which the chart app depends, is not in its charts\/.*CHART_INCOMPLETE/,
  )
  const env = { PATH: `${dir}/bin:${process.env.PATH}` }
  t.equal(kfImages([chart], { env }).lines.length, 3, 'helm is not asked for a chart that it would refuse')
  write(dir, { 'app/Chart.yaml': 'name: app\n' })
  t.match(
    kfImages([chart], { env }).lines,
    [{ reference: 'example/helm:1', foundIn: 'chart', guess: undefined, why: undefined }, { type: 'end' }],
    'helm decides',
  )
  t.end()
})

/**
 * Builds with a Docker engine's BuildKit, to record golden data.
 *
 * The engine is that of $DOCKER_HOST; the client is `docker buildx`, or the program in $BUILDX.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import fs from 'node:fs'
import path from 'node:path'
import type { BuildCase } from './cases.js'
import type { Built, ImageConfig } from './result.js'

const MAX_OUTPUT_BYTES = 1 << 26

/** The engine's version. */
export function engineVersion(): string {
  return docker(['version', '--format', '{{.Server.Version}}']).trim()
}

/** Puts an image of an OCI layout into the engine. */
export function loadBase(layout: string, reference: string, dir: string): void {
  const archive = path.join(dir, 'base.tar')
  run('skopeo', ['copy', '-q', `oci:${layout}:${reference}`, `docker-archive:${archive}:${reference}`])
  docker(['load', '-q', '-i', archive])
  fs.rmSync(archive)
}

/** Builds a case; its layers are written below `dir`. */
export function buildEngine(one: BuildCase, dir: string): Built {
  const tag = 'pipelayer-test/result:1'
  const error = build(one, ['-t', tag])
  return error === undefined ? save(tag, dir) : { error }
}

/** Builds only the files of a case, as one tar. No image is made or saved. */
export function buildFiles(one: BuildCase, file: string): Built {
  const error = build(one, ['-o', `type=tar,dest=${file}`])
  if (error !== undefined) return { error }
  return { config: { rootfs: { diff_ids: [] } }, layers: [{ diffID: '', file }] }
}

/** Returns why the build failed, if it did. */
function build(one: BuildCase, output: readonly string[]): string | undefined {
  const flags = [
    ...['--network', 'host', '--progress', 'plain', '--no-cache', '--provenance=false', '--sbom=false'],
    ...[...output, '-f', one.dockerfile],
    ...(one.target === undefined ? [] : ['--target', one.target]),
    ...(one.buildArgs ?? []).flatMap(arg => ['--build-arg', arg]),
    ...(one.contexts ?? []).flatMap(context => ['--build-context', context]),
    ...(one.secrets ?? []).flatMap(secret => ['--secret', secret]),
  ]
  const [program = 'docker', ...first] = buildx()
  // The engine keeps contexts to update them later, and then mixes the times of directories of two contexts.
  docker(['builder', 'prune', '--all', '--force'])
  const built = spawnSync(program, [...first, 'build', ...flags, one.context], {
    encoding: 'utf8',
    maxBuffer: MAX_OUTPUT_BYTES,
  })
  return built.status === 0 ? undefined : lastError(built.stderr)
}

function buildx(): string[] {
  return process.env.BUILDX === undefined ? ['docker', 'buildx'] : [process.env.BUILDX]
}

function lastError(stderr: string): string {
  const lines = stderr.trim().split('\n')
  return (lines.findLast(line => line.startsWith('ERROR:')) ?? lines.at(-1) ?? '').replace(/^ERROR: /, '')
}

/** An entry of the manifest.json of `docker save`. */
interface SavedImage {
  readonly Config: string
  readonly Layers: readonly string[]
}

/** The fields of `docker image inspect` that are used here. */
interface Inspected {
  readonly Architecture: string
  readonly Os: string
  readonly Author?: string
  readonly Config: Readonly<Record<string, unknown>>
  readonly RootFS: { readonly Layers?: readonly string[] }
}

// An image without layers cannot be saved: "empty export - not implemented".
function save(tag: string, dir: string): Built {
  const [image] = JSON.parse(docker(['image', 'inspect', tag])) as Inspected[]
  if (image === undefined) throw new Error(`docker image inspect ${tag} tells nothing`)
  return image.RootFS.Layers === undefined ? withoutLayers(tag, image) : saved(tag, dir)
}

function withoutLayers(tag: string, image: Inspected): Built {
  const text = docker(['history', '--no-trunc', '--format', '{{json .CreatedBy}}', tag])
  const lines = text.split('\n').filter(line => line !== '')
  const history = lines.reverse().map(line => ({ created_by: JSON.parse(line) as string, empty_layer: true }))
  const { Architecture: architecture, Os: os, Author: author, Config: config } = image
  const rest = author ? { author } : {}
  return { config: { architecture, os, ...rest, config, rootfs: { diff_ids: [] }, history }, layers: [] }
}

function saved(tag: string, dir: string): Built {
  fs.rmSync(dir, { recursive: true, force: true })
  fs.mkdirSync(dir, { recursive: true })
  const archive = path.join(dir, 'saved.tar')
  docker(['save', '-o', archive, tag])
  run('tar', ['-C', dir, '-xf', archive])
  fs.rmSync(archive)
  const [saved] = JSON.parse(fs.readFileSync(path.join(dir, 'manifest.json'), 'utf8')) as SavedImage[]
  if (saved === undefined) throw new Error(`docker save ${tag} wrote no image`)
  const config = JSON.parse(fs.readFileSync(path.join(dir, saved.Config), 'utf8')) as ImageConfig
  const layers = saved.Layers.map((file, index) => ({
    diffID: config.rootfs.diff_ids[index] ?? '',
    file: path.join(dir, file),
  }))
  return { config, layers }
}

function docker(args: readonly string[]): string {
  return run('docker', args)
}

function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    maxBuffer: MAX_OUTPUT_BYTES,
  })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`)
  return stdout
}

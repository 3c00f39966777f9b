/**
 * The three kinds of cluster images, how they are told apart, and what each says of itself.
 *
 * | kind | shown by |
 * |---|---|
 * | `kubefile-classic`, sealer 0.5 to 0.8 | `kind: Image` in the config |
 * | `kubefile`, sealer 0.9 and later | the annotation `sealer.image.extension` of the manifest |
 * | `sealos` | a label `sealos.io.…`; or the layer `BASE rootfs cache`; or a CMD whose program has a blank in its name |
 *
 * An application of sealos needs no label. What it runs are lines for a shell, not arguments, and no program of another
 * image has a blank in its name.
 *
 * @module
 */

import { type Dialect, EXTENSION, SEALOS_TYPE, SEALOS_VERSION, SEALOS_VERSIONS } from '@pipelayer/kubefile'
import { isObject, type JsonObject } from '@pipelayer/oci'

/** The config of an image, and the annotations of its manifest. */
export interface ImageFacts {
  readonly config: JsonObject
  readonly annotations?: Readonly<Record<string, string>> | undefined
}

/** How `sealos run` sees an image: see `mountOf`. */
export interface SealosMount {
  /** `rootfs`, `patch` or `application`; other texts of the label stay as they are. */
  readonly type: string
  readonly env: readonly string[]
  readonly entrypoint: readonly string[]
  readonly cmd: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

const SEALOS_LABEL = /^(?:merge\.)?sealos\.io\.|^apps\.sealos\.io\//
/** Labels of {@link SEALOS_TYPE} in older and newer images; the first that is there counts. */
const TYPE_LABELS = [SEALOS_TYPE, 'apps.sealos.io/type']
const CACHE_LAYER = 'BASE rootfs cache'

/** The kind of an image; undefined if it is no cluster image. */
export function kindOf({ config, annotations }: ImageFacts): Dialect | undefined {
  if (annotations?.[EXTENSION] !== undefined) return 'kubefile'
  if (config.kind === 'Image' && isObject(config.spec)) return 'kubefile-classic'
  const { labels, cmd } = mountOf(config)
  const isNamed = Object.keys(labels).some(name => SEALOS_LABEL.test(name))
  return isNamed || hasCacheLayer(config) || isLine(cmd[0]) ? 'sealos' : undefined
}

/**
 * The type of an image of a kind: of sealer 0.9 and later what its annotation says, else `kube-installer`; of sealos
 * what its label says, else `application`; of the classic dialect `rootfs` if it begins with `COPY . .`, as sealer 0.7
 * takes it, else `application`.
 */
export function typeOf(kind: Dialect, { config, annotations }: ImageFacts): string {
  if (kind === 'sealos') return mountOf(config).type
  if (kind === 'kubefile') {
    const { type } = extensionOf(annotations)
    return typeof type === 'string' && type !== '' ? type : 'kube-installer'
  }
  const [first] = Array.isArray(config.history) ? config.history : []
  return isObject(first) && first.created_by === 'COPY . .' ? 'rootfs' : 'application'
}

/** The commands that a cluster executes, in order, as texts for a shell. */
export function commandsOf({ config }: Pick<ImageFacts, 'config'>): readonly string[] {
  const { entrypoint, cmd } = mountOf(config)
  return [...entrypoint, ...cmd]
}

/**
 * What sealos takes of an image: the type, and of Env, Entrypoint and Cmd all but what Docker itself adds.
 *
 * Spec: labring/sealos v5, pkg/apply/processor/interface.go
 */
export function mountOf(config: JsonObject): SealosMount {
  const { Env, Entrypoint, Cmd, Labels } = isObject(config.config) ? config.config : {}
  const labels = Object.fromEntries(
    Object.entries(isObject(Labels) ? Labels : {}).map(([name, value]) => [name, String(value)]),
  )
  const isShell = (word: string): boolean => word === '/bin/sh' || word === '-c'
  return {
    type: TYPE_LABELS.map(name => labels[name]).find(type => type) ?? 'application',
    env: texts(Env).filter(entry => !entry.startsWith('PATH=')),
    entrypoint: texts(Entrypoint).filter(word => !isShell(word)),
    cmd: texts(Cmd).filter(word => !isShell(word)),
    labels,
  }
}

/** Why `sealos run` would refuse an image, or do nothing with it; empty if it takes it. */
export function sealosFaults(config: JsonObject): readonly string[] {
  const { type, labels, entrypoint, cmd } = mountOf(config)
  const version = labels[SEALOS_VERSION]
  if (!['rootfs', 'patch', 'application'].includes(type))
    return [`the label ${SEALOS_TYPE} is ${JSON.stringify(type)}: it is rootfs, patch or application`]
  if (type === 'rootfs' && (version === undefined || !SEALOS_VERSIONS.includes(version)))
    return [`the label ${SEALOS_VERSION} of a rootfs has to be ${SEALOS_VERSIONS.join(' or ')}`]
  const isIdle = type === 'application' && entrypoint.length + cmd.length === 0
  return isIdle ? ['it has neither CMD nor ENTRYPOINT: an application that runs nothing'] : []
}

/** The JSON of the annotation of sealer 0.9 and later; empty where it is none. */
export function extensionOf(annotations: ImageFacts['annotations']): JsonObject {
  try {
    const value: unknown = JSON.parse(annotations?.[EXTENSION] ?? '{}')
    return isObject(value) ? value : {}
  } catch {
    // A broken annotation says nothing; `inspect` shows it as it is.
    return {}
  }
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter(one => typeof one === 'string') : []
}

function hasCacheLayer({ history }: JsonObject): boolean {
  return Array.isArray(history) && history.some(entry => isObject(entry) && entry.created_by === CACHE_LAYER)
}

function isLine(command: string | undefined): boolean {
  return command !== undefined && /\S\s+\S/.test(command)
}

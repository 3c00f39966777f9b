import { EXTENSION, SEALOS_TYPE } from '@pipelayer/kubefile'
import { isObject, type JsonObject } from '@pipelayer/oci'
import { type BaseImage, completeHistory } from '@pipelayer/planning'

type Entry = ReturnType<typeof completeHistory>[number]

/** The fields of sealer's `kind: Image` in a config: they name the base, its Clusterfile and its steps. */
const OWN_FIELDS = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'status'])

/**
 * The commands that a cluster executes of a base, in order; none of a base that is no cluster image. An image of the
 * classic dialect has them in its history, and in `config.Cmd` only if a newer kf-run made it.
 */
export function baseCommands({ config, annotations }: BaseImage): readonly string[] {
  if (isClassic(config)) return historyOf(config).flatMap(entry => commandOf(entry) ?? [])
  const { Cmd, Labels } = isObject(config.config) ? config.config : {}
  const isCluster =
    annotations[EXTENSION] !== undefined || (isObject(Labels) && Labels[SEALOS_TYPE] !== undefined)
  return isCluster && Array.isArray(Cmd) ? Cmd.filter(one => typeof one === 'string') : []
}

/**
 * A base without what the classic dialect wrote into its config: its name, its Clusterfile and its commands are not
 * those of an image of another dialect that is built upon it. Other bases stay as they are.
 */
export function withoutClassic(base: BaseImage): BaseImage {
  const { config, layers, annotations } = base
  if (!isClassic(config)) return base
  const kept = Object.entries(config).filter(([name]) => !OWN_FIELDS.has(name))
  const { Cmd: _, ...runtime } = isObject(config.config) ? config.config : {}
  const steps = completeHistory(historyOf(config), layers.length)
  const history = steps.filter(entry => commandOf(entry) === undefined).map(entry => ({ ...entry }))
  const plain = { ...Object.fromEntries(kept), rootfs: config.rootfs, config: runtime, history }
  return { config: plain, layers, annotations, mend: () => base.mend() }
}

function isClassic({ kind, spec }: JsonObject): boolean {
  return kind === 'Image' && isObject(spec)
}

function historyOf({ history }: JsonObject): Entry[] {
  return Array.isArray(history) ? history.filter(isObject) : []
}

function commandOf({ created_by = '', empty_layer }: Entry): string | undefined {
  if (empty_layer !== true || !created_by.startsWith('CMD ')) return undefined
  return created_by.slice('CMD '.length).trim()
}

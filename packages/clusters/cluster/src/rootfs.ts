/**
 * Checks whether a folder is the root filesystem of a cluster image.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'
import { messageOf, ToolError } from '@pipelayer/errors'
import { type Dialect, explainDialect } from '@pipelayer/kubefile'
import { readRegular } from '@pipelayer/sys'
import { clusterfileFor, parseMetadata } from './clusterfile.js'
import { clusterfileFaults } from './clusterfile-check.js'

export interface RootfsFinding {
  readonly rule: 'missing' | 'wrong-type' | 'invalid'
  /**
   * `error`: a cluster cannot be started from it. `warning`: an image that holds only applications may lack the file.
   */
  readonly severity: 'error' | 'warning'
  /** The path below the root. */
  readonly file: string
  readonly message: string
}

type Part = readonly [file: string, type: 'dir' | 'file', purpose: string]

/** The files of sealer's official base images, and those that are read when a cluster starts. */
const SEALER_PARTS: readonly Part[] = [
  ['bin', 'dir', 'kubeadm, kubectl and kubelet are copied from it'],
  ['cri', 'dir', 'the container runtime is installed from it'],
  ['etc', 'dir', 'it holds the settings of kubeadm, kubelet and the registry'],
  ['images', 'dir', "the registry's own image is loaded from it"],
  ['registry', 'dir', 'the registry in the cluster serves it'],
  ['scripts', 'dir', 'init.sh and init-registry.sh are run from it'],
  ['scripts/init.sh', 'file', 'every host is set up by it'],
  ['statics', 'dir', 'the audit policy is taken from it'],
  ['Kubefile', 'file', 'it says how the image was made'],
  ['Metadata', 'file', 'it names the platform'],
]

/** The folders that `sealos run` looks into. */
const SEALOS_PARTS: readonly Part[] = [
  ['registry', 'dir', 'its container images are mirrored into the registry of the cluster'],
  ['images/shim', 'dir', 'its lists name the container images that sealos build brings'],
]

/** The parts of a root filesystem of sealos besides those of every image. */
const SEALOS_ROOTFS_PARTS: readonly Part[] = [
  ['bin', 'dir', 'kubeadm, kubectl and kubelet are copied from it'],
  ['cri', 'dir', 'the container runtime is installed from it'],
  ['etc', 'dir', 'its templates become the settings of kubeadm and kubelet'],
  ['opt', 'dir', 'sealctl is run from it'],
  ['scripts', 'dir', 'the scripts of the labels init, clean and check are run from it'],
  ['scripts/init.sh', 'file', 'every host is set up by it'],
  ['statics', 'dir', 'the audit policy is taken from it'],
]

const MAX_TEXT = 1024 * 1024

/**
 * The files that are missing or broken, in the order in which they are looked for. Symlinks are not followed. The
 * Kubefile in the folder, or else its folder `images/shim`, says whether it is one of sealos.
 *
 * ```ts
 * for (const { severity, message } of checkRootfs('rootfs')) console.log(`${severity}: ${message}`)
 * ```
 */
export function checkRootfs(root: string): readonly RootfsFinding[] {
  const kubefile = readText(root, 'Kubefile')
  const parts = isSealos(root, kubefile) ? sealosParts(kubefile ?? '') : SEALER_PARTS
  return [
    ...parts.filter(part => isLookedFor(root, part, parts)).flatMap(part => partFindings(root, part)),
    ...checkText(root, 'Metadata', parseMetadata),
    ...checkClusterfile(root, 'etc/Clusterfile'),
  ]
}

/** A file of a folder that is missing itself is not told again. */
function isLookedFor(root: string, [file]: Part, parts: readonly Part[]): boolean {
  const parent = path.dirname(file)
  return !parts.some(([name]) => name === parent) || typeOf(root, parent) === 'dir'
}

function sealosParts(kubefile: string): readonly Part[] {
  const isRootfs = /\bsealos\.io\.type["']?(?:=|\s+)["']?rootfs\b/.test(kubefile)
  return isRootfs ? [...SEALOS_ROOTFS_PARTS, ...SEALOS_PARTS] : SEALOS_PARTS
}

function isSealos(root: string, kubefile: string | undefined): boolean {
  const dialect = kubefile === undefined ? undefined : dialectOf(kubefile)
  return (dialect ?? (typeOf(root, 'images/shim') === 'dir' ? 'sealos' : undefined)) === 'sealos'
}

function dialectOf(kubefile: string): Dialect | undefined {
  try {
    return explainDialect(kubefile).dialect
  } catch (error) {
    // A broken Kubefile is told by kf-parse; here it only shows nothing.
    if (error instanceof ToolError) return undefined
    throw error
  }
}

function partFindings(root: string, [file, type, purpose]: Part): readonly RootfsFinding[] {
  const found = typeOf(root, file)
  if (found === undefined)
    return [{ rule: 'missing', severity: 'warning', file, message: `${file} is missing: ${purpose}` }]
  if (found === type) return []
  const word = type === 'dir' ? 'directory' : 'regular file'
  return [{ rule: 'wrong-type', severity: 'error', file, message: `${file} is no ${word}` }]
}

function typeOf(root: string, file: string): 'dir' | 'file' | 'other' | undefined {
  try {
    const stat = fs.lstatSync(path.join(root, file), { throwIfNoEntry: false })
    if (stat === undefined) return undefined
    return stat.isDirectory() ? 'dir' : stat.isFile() ? 'file' : 'other'
  } catch {
    // A parent that is no directory has nothing below it.
    return undefined
  }
}

function parseCluster(text: string): void {
  clusterfileFor('check', text)
}

function checkClusterfile(root: string, file: string): readonly RootfsFinding[] {
  const unreadable = checkText(root, file, parseCluster)
  const text = unreadable.length > 0 ? undefined : readText(root, file)
  const faults = text === undefined ? [] : clusterfileFaults(text, file)
  const inside = faults.map(
    fault => ({ rule: 'invalid', severity: 'error', file, message: `${file}: ${fault}` }) as const,
  )
  return [...unreadable, ...inside]
}

function readText(root: string, file: string): string | undefined {
  try {
    return readRegular(path.join(root, file), MAX_TEXT, { noFollow: true }).toString('utf8')
  } catch {
    // It is missing, no regular file or too large, which the checks of single files tell.
    return undefined
  }
}

function checkText(root: string, file: string, parse: (text: string) => unknown): readonly RootfsFinding[] {
  const place = path.join(root, file)
  if (typeOf(root, file) !== 'file') return []
  try {
    if (fs.lstatSync(place).size > MAX_TEXT) throw new Error(`it has more than ${MAX_TEXT} bytes`)
    parse(readRegular(place, MAX_TEXT, { noFollow: true }).toString('utf8'))
    return []
  } catch (error) {
    return [{ rule: 'invalid', severity: 'error', file, message: `${file}: ${messageOf(error)}` }]
  }
}

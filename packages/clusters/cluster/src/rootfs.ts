/**
 * Checks whether a folder is the root filesystem of a cluster image.
 *
 * @module
 */

import fs from 'node:fs'
import path from 'node:path'
import { messageOf } from '@pipelayer/errors'
import { readRegular } from '@pipelayer/sys'
import { clusterfileFor, parseMetadata } from './clusterfile.js'

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

/** The files of sealer's official base images, and those that are read when a cluster starts. */
const PARTS: readonly (readonly [file: string, type: 'dir' | 'file', purpose: string])[] = [
  ['bin', 'dir', 'kubeadm, kubectl and kubelet are copied from it'],
  ['cri', 'dir', 'the container runtime is installed from it'],
  ['etc', 'dir', 'it holds the settings of kubeadm, kubelet and the registry'],
  ['images', 'dir', "the registry's own image is loaded from it"],
  ['registry', 'dir', 'the registry in the cluster serves it'],
  ['scripts', 'dir', 'init.sh and init-registry.sh are run from it'],
  ['statics', 'dir', 'the audit policy is taken from it'],
  ['Kubefile', 'file', 'it says how the image was made'],
  ['Metadata', 'file', 'it names the platform'],
]

const MAX_TEXT = 1024 * 1024

/**
 * The files that are missing or broken, in the order of {@link PARTS}. Symlinks are not followed.
 *
 * ```ts
 * for (const { severity, message } of checkRootfs('rootfs')) console.log(`${severity}: ${message}`)
 * ```
 */
export function checkRootfs(root: string): readonly RootfsFinding[] {
  const findings = PARTS.flatMap(([file, type, purpose]): RootfsFinding[] => {
    const stat = fs.lstatSync(path.join(root, file), { throwIfNoEntry: false })
    if (stat === undefined)
      return [{ rule: 'missing', severity: 'warning', file, message: `${file} is missing: ${purpose}` }]
    if (type === 'dir' ? stat.isDirectory() : stat.isFile()) return []
    const word = type === 'dir' ? 'directory' : 'regular file'
    return [{ rule: 'wrong-type', severity: 'error', file, message: `${file} is no ${word}` }]
  })
  return [
    ...findings,
    ...checkText(root, 'Metadata', parseMetadata),
    ...checkText(root, 'etc/Clusterfile', parseCluster),
  ]
}

function parseCluster(text: string): void {
  clusterfileFor('check', text)
}

function checkText(root: string, file: string, parse: (text: string) => unknown): readonly RootfsFinding[] {
  const place = path.join(root, file)
  const stat = fs.lstatSync(place, { throwIfNoEntry: false })
  if (stat?.isFile() !== true) return []
  try {
    if (stat.size > MAX_TEXT) throw new Error(`it has more than ${MAX_TEXT} bytes`)
    parse(readRegular(place, MAX_TEXT, { noFollow: true }).toString('utf8'))
    return []
  } catch (error) {
    return [{ rule: 'invalid', severity: 'error', file, message: `${file}: ${messageOf(error)}` }]
  }
}

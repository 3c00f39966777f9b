/**
 * Unpacks layers in one of two forms.
 *
 * @module
 */

import fs from 'node:fs'
import { availableParallelism } from 'node:os'
import path from 'node:path'
import { encodedOf } from '@pipelayer/digest'
import { attempt } from '@pipelayer/errors'
import type { XattrForm } from '@pipelayer/rootfs'
import { type ApplyOptions, type ApplyResult, applyLayer, OverlayThreads } from '@pipelayer/unpacking'
import type { LayerSource, Reader } from './layer-source.js'

export interface Applied {
  readonly diffID: string
  readonly result: ApplyResult
}

/** Takes layers, lowest first. */
export interface Target {
  /**
   * Whether the next layer may be given before this one is complete. The promises still resolve in the order of the
   * layers.
   */
  readonly isParallel: boolean
  apply(layer: LayerSource): Promise<Applied>
  /** To be called once, after the last layer. */
  finish(): void
  /** When this resolves, nothing is written any more. */
  close(): Promise<void>
}

export interface TargetOptions extends ApplyOptions {
  /** The program of the thread that reads blobs or unpacks layers; without it everything is done in this thread. */
  readonly program: string | undefined
}

/** Unpacks all layers into one root filesystem. */
export function plainTarget(dir: string, open: Reader, options: ApplyOptions): Target {
  return {
    isParallel: false,
    async apply(layer) {
      const { tar, finish, writes } = open(layer.blob)
      const result = await applyLayer(tar, dir, { ...options, writes })
      return { diffID: finish(), result }
    },
    finish() {},
    async close() {},
  }
}

/** How many layers are unpacked at a time. With two of them the process takes 175 MB, and each more takes 30 MB. */
const AT_A_TIME = 2

/**
 * Unpacks each layer into a directory of its own, `0001-<start of its diffID>` and so on, lowest first; the file
 * `lowers` lists them in the order of overlayfs, nearest first.
 */
export function overlayTarget(dir: string, xattrs: XattrForm, options: TargetOptions): Target {
  const threads = new OverlayThreads({
    ...options,
    xattrs,
    atATime: Math.min(availableParallelism(), AT_A_TIME),
  })
  const made: string[] = []
  const diffIDs: string[] = []
  return {
    isParallel: true,
    async apply(layer) {
      const lowers = [...made].reverse()
      const target = path.join(dir, numbered(made.length))
      attempt(`make "${target}"`, () => {
        fs.mkdirSync(target)
        fs.chmodSync(target, 0o755)
      })
      made.push(target)
      const applied = await threads.unpack({ blob: layer.blob, dir: target, lowers })
      diffIDs.push(applied.diffID)
      return applied
    },
    finish: () => nameLayers(dir, diffIDs),
    close: () => threads.close(),
  }
}

/** Renames the folders of layers at the end. Until then they have numbers, because layers above refer to them. */
function nameLayers(dir: string, diffIDs: readonly string[]): void {
  const names = diffIDs.map((diffID, index) => `${numbered(index)}-${encodedOf(diffID).slice(0, 12)}`)
  for (const [index, name] of names.entries())
    attempt(`rename "${name}"`, () => fs.renameSync(path.join(dir, numbered(index)), path.join(dir, name)))
  const file = path.join(dir, 'lowers')
  const lines = names.reverse().map(name => `${name}\n`)
  attempt(`write "${file}"`, () => fs.writeFileSync(file, lines.join('')))
}

function numbered(index: number): string {
  return String(index + 1).padStart(4, '0')
}

/**
 * The two forms that layers are unpacked to.
 *
 * @module
 */
import fs from 'node:fs'
import path from 'node:path'
import { encodedOf } from '@pipelayer/digest'
import { attempt } from '@pipelayer/errors'
import {
  type ApplyOptions,
  type ApplyResult,
  applyLayer,
  applyLayerOverlay,
  type XattrForm,
} from '@pipelayer/layer'
import type { LayerSource, Reader } from './layer-source.js'

export interface Applied {
  readonly diffID: string
  readonly result: ApplyResult
}

/** Takes layers, lowest first. */
export interface Target {
  apply(layer: LayerSource, options: ApplyOptions): Promise<Applied>
  /** Called once, after the last layer. */
  finish(): void
}

/** One root filesystem. */
export function plainTarget(dir: string, open: Reader): Target {
  return {
    async apply(layer, options) {
      const { tar, finish } = open(layer.blob)
      const result = await applyLayer(tar, dir, options)
      return { diffID: finish(), result }
    },
    finish() {},
  }
}

/**
 * A directory for each layer, `0001-<start of its diffID>` and so on, lowest first; the file `lowers` lists them as
 * overlayfs wants them, nearest first.
 */
export function overlayTarget(dir: string, open: Reader, xattrs: XattrForm): Target {
  const names: string[] = []
  return {
    async apply(layer, options) {
      const number = String(names.length + 1).padStart(4, '0')
      const made = path.join(dir, number)
      attempt(`make "${made}"`, () => {
        fs.mkdirSync(made)
        fs.chmodSync(made, 0o755)
      })
      const lowers = names.map(name => path.join(dir, name)).reverse()
      const { tar, finish } = open(layer.blob)
      const result = await applyLayerOverlay(tar, made, { ...options, lowers, xattrs })
      const diffID = finish()
      const name = `${number}-${encodedOf(diffID).slice(0, 12)}`
      attempt(`rename "${made}"`, () => fs.renameSync(made, path.join(dir, name)))
      names.push(name)
      return { diffID, result }
    },
    finish() {
      const file = path.join(dir, 'lowers')
      attempt(`write "${file}"`, () =>
        fs.writeFileSync(
          file,
          [...names]
            .reverse()
            .map(name => `${name}\n`)
            .join(''),
        ),
      )
    },
  }
}

// Helpers that the tests of this package share: they turn tars into changes and into trees in memory.

import { digestOf } from '@pipelayer/digest'
import type { ChangeRecord } from '@pipelayer/records'
import { chunked } from '@pipelayer/testkit'
import { ImageTree } from '../src/image-tree.js'
import { type ListedChange, type ListOptions, listLayer } from '../src/list.js'

/** The entries of a tar. */
export async function listed(tar: Buffer, options: ListOptions = {}): Promise<ListedChange[]> {
  const all: ListedChange[] = []
  for await (const one of listLayer(chunked(tar, 700), options)) all.push(one)
  return all
}

/** The entries of a tar as changes. */
export async function changesOf(tar: Buffer, options: ListOptions = {}): Promise<ChangeRecord[]> {
  return (await listed(tar, options)).map(({ change }) => change)
}

/** Applies layers in memory. */
export async function treeOf(layers: readonly Buffer[], options: ListOptions = {}): Promise<ImageTree> {
  const tree = new ImageTree()
  for (const tar of layers) await addLayer(tree, tar, options)
  return tree
}

/** Applies one more layer to a tree. */
export async function addLayer(tree: ImageTree, tar: Buffer, options: ListOptions = {}): Promise<void> {
  tree.nextLayer()
  for (const one of await listed(tar, { ...options, blob: { digest: digestOf(tar) } })) tree.apply(one)
}

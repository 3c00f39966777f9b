import { type Digest, parseDigest } from './digest.js'
import { digestOf } from './hasher.js'

/**
 * The chainID of every layer, base first: it names the layer together with all below it.
 *
 * Spec: image-spec v1.1, config.md, "Layer ChainID".
 *
 * ```ts
 * const top = chainIDs(config.rootfs.diff_ids).at(-1)
 * ```
 *
 * @throws ToolError `DIGEST_INVALID` or `DIGEST_UNSUPPORTED` for a diffID that is not a digest
 */
export function chainIDs(diffIDs: readonly Digest[]): Digest[] {
  const chain: Digest[] = []
  for (const diffID of diffIDs) {
    const parent = chain.at(-1)
    chain.push(parent === undefined ? parseDigest(diffID) : digestOf(`${parent} ${parseDigest(diffID)}`))
  }
  return chain
}

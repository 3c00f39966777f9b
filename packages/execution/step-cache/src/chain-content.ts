import { chainIDs, type Digest } from '@pipelayer/digest'

/** The chainID of a chain after one more layer. Spec: image-spec v1.1, config.md, "Layer ChainID". */
export function contentWith(below: Digest | undefined, diffID: Digest | undefined): Digest | undefined {
  if (below === undefined || diffID === undefined) return undefined
  return below === '' ? diffID : chainIDs([below, diffID]).at(-1)
}

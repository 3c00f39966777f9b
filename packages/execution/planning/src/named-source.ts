import type { Source } from './layer-step.js'
import type { PlanRequest } from './plan-request.js'
import { baseChain, type Chain } from './stage-state.js'

/** The source that `--from` names if no stage has the name: a build context, or an image. */
export async function namedSource(
  name: string,
  { sources, time }: Pick<PlanRequest, 'sources' | 'time'>,
): Promise<Source> {
  return (await sources.files(name)) ?? chainSource(baseChain(await sources.image(name), time))
}

/** A stage, or an image, as a tree to copy from. */
export function chainSource(chain: Chain): Source {
  return { tree: { kind: 'chain', chain }, key: () => chain.key }
}

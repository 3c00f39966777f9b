import type { Stage, Step } from './stages.js'

/** The stages that the last one needs: as a base, or as a source of COPY or of a mount. */
export function reachableStages(stages: readonly Stage[]): ReadonlySet<Stage> {
  const reached = new Set<Stage>()
  const open = stages.slice(-1)
  for (let stage = open.pop(); stage !== undefined; stage = open.pop()) {
    if (reached.has(stage)) continue
    reached.add(stage)
    if (stage.baseStage !== undefined) open.push(stage.baseStage)
    const above = stages.slice(0, stages.indexOf(stage))
    for (const name of stage.steps.flatMap(sourcesOf)) {
      const found = above.findLast(one => one.from.instruction.name === name) ?? above[numberOf(name)]
      if (found !== undefined) open.push(found)
    }
  }
  return reached
}

function sourcesOf({ instruction }: Step): string[] {
  if (instruction.kind === 'copy')
    return instruction.from === undefined ? [] : [instruction.from.toLowerCase()]
  if (instruction.kind !== 'run') return []
  return instruction.mounts.flatMap(mount => /(?:^|,)from=([^,]*)/i.exec(mount)?.[1]?.toLowerCase() ?? [])
}

function numberOf(name: string): number {
  return /^\d{1,9}$/.test(name) ? Number(name) : -1
}

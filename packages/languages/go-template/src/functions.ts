import type { Budget } from './budget.js'
import type { TemplateFunction } from './evaluate.js'
import { listFunctions } from './lists.js'
import { logicFunctions } from './logic.js'
import { mapFunctions } from './maps.js'
import { numberFunctions } from './numbers.js'
import { patternFunctions } from './patterns.js'
import { partFunctions, textFunctions } from './texts.js'

/**
 * The functions of Go's templates, of Sprig and of Helm that depend on their values alone. `lookup` finds nothing, as
 * with `helm template`; `fail` gives nothing, since what else the chart names is still of interest.
 *
 * Spec: Go 1.23, text/template, "Functions"; Sprig 3; Helm 3, engine/funcs.go
 */
export function functionsWith(budget: Budget): ReadonlyMap<string, TemplateFunction> {
  return new Map([
    ...logicFunctions(),
    ...textFunctions(budget),
    ...partFunctions(budget),
    ...numberFunctions(),
    ...listFunctions(budget),
    ...mapFunctions(budget),
    ...patternFunctions(),
  ])
}

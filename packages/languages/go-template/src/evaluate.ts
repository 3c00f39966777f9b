import type { Budget } from './budget.js'
import type { Command, Expression, Pipeline } from './nodes.js'
import type { Scope } from './scope.js'
import { isMap, UNKNOWN, type Value } from './value.js'

/** A function of templates. A value that is piped in is the last one. */
export type TemplateFunction = (values: readonly Value[]) => Value

/** What expressions are evaluated with. */
export interface Surroundings {
  readonly scope: Scope
  readonly dot: Value
  readonly budget: Budget
  readonly functions: (name: string) => TemplateFunction | undefined
}

/** The value of a pipeline, which is also set to its variables; `range` sets its own. */
export function pipelineValue(pipeline: Pipeline, around: Surroundings): Value {
  let value: Value
  for (const [index, command] of pipeline.commands.entries())
    value = commandValue(command, index === 0 ? [] : [value], around)
  const [variable] = pipeline.variables
  if (variable !== undefined && pipeline.variables.length === 1) {
    if (pipeline.assigns) around.scope.assign(variable, value)
    else around.scope.declare(variable, value)
  }
  return value
}

function commandValue([head, ...rest]: Command, piped: readonly Value[], around: Surroundings): Value {
  around.budget.step()
  const given = (): readonly Value[] => {
    const values = [...rest.map(one => expressionValue(one, around)), ...piped]
    // A function reads its texts at least once, so they are paid for each time.
    for (const value of values) if (typeof value === 'string') around.budget.spend(value.length)
    return values
  }
  if (head.kind === 'function') {
    const work = around.functions(head.name)
    return work === undefined ? UNKNOWN : work(given())
  }
  const value = valueOf(head, around)
  return typeof value === 'function' ? value(given()) : value
}

/** The value of an expression that is a value for another one: a method is called without any. */
function expressionValue(expression: Expression, around: Surroundings): Value {
  around.budget.step()
  const value = valueOf(expression, around)
  return typeof value === 'function' ? value([]) : value
}

function valueOf(expression: Expression, around: Surroundings): Value {
  switch (expression.kind) {
    case 'literal':
      return expression.value
    case 'field':
      return fieldOf(around.dot, expression.fields)
    case 'variable':
      return fieldOf(around.scope.get(expression.name), expression.fields)
    case 'function':
      return around.functions(expression.name)?.([]) ?? UNKNOWN
    case 'parentheses': {
      const value = around.budget.nested(() => pipelineValue(expression.pipeline, around))
      // Go takes a field of nil for nil behind parentheses, and nowhere else.
      return value === undefined && expression.fields.length > 0
        ? undefined
        : fieldOf(value, expression.fields)
    }
  }
}

/** A field of a field; unknown where Go would fail. */
function fieldOf(value: Value, fields: readonly string[]): Value {
  let at = value
  for (const name of fields) {
    if (!isMap(at)) return UNKNOWN
    at = at.get(name)
  }
  return at
}

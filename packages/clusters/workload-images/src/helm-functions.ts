import { HOLE, isList, isMap, type TemplateFunction, UNKNOWN, type Value } from '@pipelayer/go-template'
import { formatYAML, yamlDocuments } from '@pipelayer/yaml'
import { toTable } from './chart-context.js'

/** How many values the templates of a chart may write as YAML or JSON in all. */
const MAX_VALUES = 1_000_000
/** How many characters the texts among them may have in all. */
const MAX_WRITTEN = 16 * 1024 * 1024
/** How many characters they may read as YAML or JSON in all. */
const MAX_READ = 4 * 1024 * 1024
const MAX_DEPTH = 50

/**
 * The functions of Helm that read and write YAML and JSON.
 *
 * @param onLoss - is called where a text or a value cannot be read or written as a whole
 */
export function helmFunctions(onLoss: () => void): ReadonlyMap<string, TemplateFunction> {
  const told = (value: Value): Value => {
    if (value === UNKNOWN) onLoss()
    return value
  }
  const plain = new Plain()
  let left = MAX_READ
  const toYaml: TemplateFunction = ([value]) => told(plain.written(value, one => formatYAML(one).trimEnd()))
  const toJson: TemplateFunction = ([value]) => told(plain.written(value, one => JSON.stringify(one)))
  const fromText: TemplateFunction = ([text]) => {
    return told(typeof text !== 'string' || (left -= text.length) < 0 ? UNKNOWN : read(text))
  }
  return new Map([
    ['toYaml', toYaml],
    ['mustToYaml', toYaml],
    ['toYamlPretty', toYaml],
    ['toJson', toJson],
    ['mustToJson', toJson],
    ['toRawJson', toJson],
    ['fromYaml', fromText],
    ['fromJson', fromText],
  ])
}

/** Values as those of JSON. */
class Plain {
  #left = MAX_VALUES
  #characters = MAX_WRITTEN

  written(value: Value, format: (value: unknown) => string): Value {
    if (value === UNKNOWN || this.#left <= 0) return UNKNOWN
    const result = this.#of(value, 0)
    return this.#left > 0 ? format(result) : UNKNOWN
  }

  #of(value: Value, depth: number): unknown {
    if (typeof value === 'string') this.#characters -= value.length
    if (this.#characters < 0) this.#left = 0
    if (this.#left-- <= 0 || depth > MAX_DEPTH || value === undefined) return null
    if (value === UNKNOWN || typeof value === 'function') return HOLE
    if (typeof value === 'bigint') return Number(value)
    if (isList(value)) return value.map(item => this.#of(item, depth + 1))
    if (isMap(value))
      return Object.fromEntries([...value].map(([key, item]) => [key, this.#of(item, depth + 1)]))
    return value
  }
}

function read(text: string): Value {
  try {
    for (const document of yamlDocuments(text, { file: 'fromYaml' })) return toTable(document)
    return new Map()
  } catch {
    return UNKNOWN
  }
}

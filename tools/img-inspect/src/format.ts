/**
 * The forms of stdout besides records: Docker's array of documents, or one value of each image.
 *
 * ```
 * path   = "." / 1*( "." name / "[" number "]" / "[" string "]" )     string as in JSON
 * FORMAT = path / "{{" [ "json" ] path "}}"
 * ```
 *
 * @module
 */
import type { TextForm } from '@pipelayer/cli'
import { ToolError } from '@pipelayer/errors'
import { isObject } from '@pipelayer/oci'
import type { AnyRecord } from '@pipelayer/records'

type Path = readonly (string | number)[]

/**
 * What `--format` asks for; undefined for records.
 *
 * @throws ToolError `USAGE`, status 2
 */
export function textForm(format: string): TextForm | undefined {
  if (format === 'records') return undefined
  if (format === 'json') return arrayForm()
  const inner = /^\{\{\s*(json\s+)?(.*?)\s*\}\}$/.exec(format)
  const isJson = inner?.[1] !== undefined
  const path = parsePath(inner?.[2] ?? format)
  const shown = (value: unknown): string =>
    typeof value === 'string' && !isJson ? value : JSON.stringify(value)
  return {
    record: record => (record.type === 'image' ? `${shown(valueAt(record, path))}\n` : ''),
    end: () => '',
  }
}

/** As `docker inspect` prints it. */
function arrayForm(): TextForm {
  const documents: object[] = []
  return {
    record({ type, ...document }) {
      if (type === 'image') documents.push(document)
      return ''
    },
    end: () => `${JSON.stringify(documents, undefined, 4)}\n`,
  }
}

function parsePath(text: string): Path {
  const token = /\.([A-Za-z_][\w-]*)|\[(\d{1,9})\]|\[("(?:[^"\\]|\\.)*")\]/y
  const path: (string | number)[] = []
  if (text === '.') return path
  while (token.lastIndex < text.length || text === '') {
    const match = token.exec(text)
    if (match === null)
      throw new ToolError(
        'USAGE',
        `--format takes records, json or a path such as .Config.Env or .RootFS.Layers[0], got ${JSON.stringify(text)}`,
        { status: 2 },
      )
    const [, name, index, key] = match
    path.push(name ?? (index === undefined ? (JSON.parse(key ?? '""') as string) : Number(index)))
  }
  return path
}

/** @throws ToolError `FIELD_UNKNOWN` */
function valueAt({ type: _type, ...document }: AnyRecord, path: Path): unknown {
  let value: unknown = document
  for (const [depth, step] of path.entries()) {
    const known = isObject(value)
      ? Object.keys(value)
      : Array.isArray(value)
        ? value.map((_item, i) => `[${i}]`)
        : []
    const found: unknown = Object.hasOwn(Object(value), step) ? Reflect.get(Object(value), step) : undefined
    if (found === undefined) {
      const where = depth === 0 ? 'the image' : path.slice(0, depth).join('.')
      const fields = known.length === 0 ? 'it has no fields' : `it has ${known.slice(0, 30).join(', ')}`
      throw new ToolError('FIELD_UNKNOWN', `there is no ${JSON.stringify(step)} in ${where}: ${fields}`)
    }
    value = found
  }
  return value
}

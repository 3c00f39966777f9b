// Finds interfaces with many fields that one package passes to another, for scripts/figures.mjs.

/** Type operators that keep some fields of a type, and those that keep all of them. */
const NARROWING = new Set(['Pick', 'Omit'])
const WRAPPING = new Set(['Partial', 'Required', 'Readonly'])

/** The interfaces and object types of a file by name, and the types of its exports' parameters. */
export function typesOf(program) {
  const types = new Map()
  const parameters = new Map()
  for (const statement of program.body) {
    const node = statement.declaration ?? statement
    const isExported = statement.type === 'ExportNamedDeclaration'
    if (node.type === 'TSInterfaceDeclaration') types.set(node.id.name, node)
    if (node.type === 'TSTypeAliasDeclaration') types.set(node.id.name, node.typeAnnotation)
    if (isExported && node.id) parameters.set(node.id.name, parameterTypes(node))
  }
  return { types, parameters }
}

function parameterTypes(node) {
  if (node.type !== 'ClassDeclaration') return (node.params ?? []).map(annotationOf)
  const methods = node.body.body.filter(one => one.type === 'MethodDefinition' && !isPrivate(one))
  return methods.flatMap(one => one.value.params.map(annotationOf))
}

function isPrivate({ key }) {
  return key.type === 'PrivateIdentifier'
}

function annotationOf(parameter) {
  const target = parameter.type === 'AssignmentPattern' ? parameter.left : parameter
  const type = target.typeAnnotation?.typeAnnotation
  return type?.type === 'TSTypeReference' ? type.typeName.name : undefined
}

/**
 * The names of the fields of a type, including those that it inherits.
 *
 * @param lookUp - gives the declaration of a name
 */
export function fieldsOf(node, lookUp) {
  switch (node?.type) {
    case 'TSInterfaceDeclaration': {
      const bases = node.extends.flatMap(base => [
        ...referenced(base.expression.name, base.typeArguments?.params ?? [], lookUp),
      ])
      return new Set([...bases, ...members(node.body.body)])
    }
    case 'TSTypeLiteral':
      return new Set(members(node.members))
    case 'TSIntersectionType':
      return new Set(node.types.flatMap(type => [...fieldsOf(type, lookUp)]))
    case 'TSTypeReference':
      return referenced(node.typeName.name, node.typeArguments?.params ?? [], lookUp)
    default:
      return new Set()
  }
}

function referenced(name, [first, second], lookUp) {
  if (WRAPPING.has(name)) return fieldsOf(first, lookUp)
  if (!NARROWING.has(name)) return fieldsOf(lookUp(name), lookUp)
  const keys = new Set((second.types ?? [second]).map(key => key.literal?.value))
  return new Set([...fieldsOf(first, lookUp)].filter(field => keys.has(field) === (name === 'Pick')))
}

function members(list) {
  return list.flatMap(({ key }) => key?.name ?? key?.value ?? [])
}

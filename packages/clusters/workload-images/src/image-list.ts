/**
 * Parses lists of images: plain ones with one image a line, and YAML lists with credentials.
 *
 * @module
 */

import { ToolError } from '@pipelayer/errors'
import { valueOf, type YAMLNode, yamlDocuments } from '@pipelayer/yaml'
import type { FoundImage } from './found.js'

const WHY = 'an entry of a list of images'
const QUOTED = /^(["'])(.*)\1$/

/**
 * `imageList`: a reference a line. Blank lines, lines that begin with `#`, and the text from ` #` on are skipped; one
 * pair of quotes is removed.
 */
export function* imageListImages(text: string, file: string): Generator<FoundImage, void, void> {
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const reference = line
      .replace(/(?:^|\s)#.*/, '')
      .trim()
      .replace(QUOTED, '$2')
      .trim()
    if (reference !== '') yield { reference, file, line: index + 1, foundIn: 'list' as const, why: WHY }
  }
}

export interface RegistryLogin {
  readonly registry: string
  readonly username: string
  readonly password: string
}

export interface AuthorizedList {
  readonly images: readonly FoundImage[]
  readonly logins: readonly RegistryLogin[]
}

/**
 * `imageListWithAuth.yaml`: a list of `{registry, username, password, images}`. Images are whole references.
 *
 * @throws ToolError `YAML_INVALID`, `YAML_TOO_LARGE`, `IMAGE_LIST_INVALID` as `FILE:LINE: ...`
 */
export function authorizedList(text: string, file: string): AuthorizedList {
  const images: FoundImage[] = []
  const logins: RegistryLogin[] = []
  for (const document of yamlDocuments(text, { file })) {
    for (const section of listOf(document, { file, what: 'a list of registries' })) {
      const { registry, username, password } = fieldsOf(section, file)
      if (username !== '' || password !== '') logins.push({ registry, username, password })
      images.push(...sectionImages(section, file))
    }
  }
  return { images, logins }
}

function listOf(node: YAMLNode, { file, what }: { file: string; what: string }): readonly YAMLNode[] {
  if (node.kind === 'list') return node.items
  if (node.kind === 'scalar' && node.plain && /^(?:~|null|)$/.test(node.text)) return []
  throw new ToolError('IMAGE_LIST_INVALID', `${file}:${node.line}: expected ${what}`)
}

function fieldsOf(section: YAMLNode, file: string): RegistryLogin {
  if (section.kind !== 'map')
    throw new ToolError(
      'IMAGE_LIST_INVALID',
      `${file}:${section.line}: expected registry, username, password, images`,
    )
  const scalars = section.pairs.filter(([, value]) => value.kind === 'scalar')
  const fields = valueOf({ ...section, pairs: scalars }, file) as Readonly<Record<string, unknown>>
  const text = (name: string): string =>
    fields[name] === undefined || fields[name] === null ? '' : String(fields[name])
  const login = { registry: text('registry'), username: text('username'), password: text('password') }
  if (login.registry === '')
    throw new ToolError('IMAGE_LIST_INVALID', `${file}:${section.line}: no registry is named`)
  return login
}

function sectionImages(section: YAMLNode, file: string): readonly FoundImage[] {
  if (section.kind !== 'map') return []
  const lists = section.pairs.filter(([key]) => key.kind === 'scalar' && key.text === 'images')
  return lists
    .flatMap(([, value]) => listOf(value, { file, what: 'a list of images' }))
    .map(item => {
      if (item.kind === 'scalar')
        return { reference: item.text, file, line: item.line, foundIn: 'list' as const, why: WHY }
      throw new ToolError('IMAGE_LIST_INVALID', `${file}:${item.line}: expected the name of an image`)
    })
}

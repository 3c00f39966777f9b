/**
 * The tree of a template.
 *
 * @module
 */

import type { Value } from './value.js'

export type Expression =
  | { readonly kind: 'literal'; readonly value: Value }
  /** A field of the dot, `.a.b`; the dot itself has no fields. */
  | { readonly kind: 'field'; readonly fields: readonly string[] }
  /** A variable and perhaps its fields, `$x.a`; the name of `$` is empty. */
  | { readonly kind: 'variable'; readonly name: string; readonly fields: readonly string[] }
  | { readonly kind: 'function'; readonly name: string }
  /** A pipeline in parentheses and perhaps its fields, `(index .list 0).a`. */
  | { readonly kind: 'parentheses'; readonly pipeline: Pipeline; readonly fields: readonly string[] }

/** A head and its arguments. */
export type Command = readonly [Expression, ...Expression[]]

export interface Pipeline {
  /** Variables that get the value; `range` sets two. */
  readonly variables: readonly string[]
  /** `=`, which sets a variable that exists already, in place of `:=`. */
  readonly assigns: boolean
  readonly commands: readonly Command[]
}

interface Placed {
  /** Line of the template, from 1. */
  readonly line: number
}

interface Branches extends Placed {
  readonly pipeline: Pipeline
  readonly body: readonly TemplateNode[]
  readonly otherwise: readonly TemplateNode[]
}

export type TemplateNode =
  | (Placed & { readonly kind: 'text'; readonly text: string })
  | (Placed & { readonly kind: 'output'; readonly pipeline: Pipeline })
  | (Branches & { readonly kind: 'if' | 'with' | 'range' })
  | (Placed & { readonly kind: 'template'; readonly name: string; readonly pipeline: Pipeline | undefined })
  | (Placed & { readonly kind: 'break' | 'continue' })

/** A text, parsed. */
export interface ParsedTemplate {
  readonly nodes: readonly TemplateNode[]
  /** The templates that `define` and `block` name. */
  readonly defines: ReadonlyMap<string, readonly TemplateNode[]>
}

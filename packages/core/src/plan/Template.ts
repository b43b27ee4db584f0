/**
 * Templates taken apart and put together.
 */
import type { Json, Path, Template } from "./Document.ts"

/** The nodes whose values it reads, each once, in order of appearance. */
export const sources = (template: Template): ReadonlySet<number> => {
  const found = new Set<number>()
  visit(template, (leaf) => {
    if ("node" in leaf) found.add(leaf.node)
  })
  return found
}

/** Calls `f` on every part that has no parts. */
export const visit = (template: Template, f: (leaf: Template) => void): void => {
  if ("struct" in template) for (const part of Object.values(template.struct)) visit(part, f)
  else if ("tuple" in template) for (const part of template.tuple) visit(part, f)
  else if ("from" in template) for (const part of template.from) visit(part, f)
  else f(template)
}

/** The same template with each part that has no parts replaced. */
export const map = (template: Template, f: (leaf: Template) => Template): Template => {
  if ("struct" in template) {
    return { struct: Object.fromEntries(Object.entries(template.struct).map(([key, part]) => [key, map(part, f)])) }
  }
  if ("tuple" in template) return { tuple: template.tuple.map((part) => map(part, f)) }
  if ("from" in template) return { from: template.from.map((part) => map(part, f)) }
  return f(template)
}

/** What is at a path of a template's value; nothing where it is an optional field that was left out. */
export const into = (template: Template, path: Path): Template | undefined => {
  if (path.length === 0) return template
  if ("node" in template) return { node: template.node, path: [...template.path, ...path] }
  if ("input" in template) return { input: [...template.input, ...path] }
  if ("item" in template) return { item: template.item, path: [...template.path, ...path] }
  if ("error" in template) return { error: template.error, path: [...template.path, ...path] }
  const [key, ...rest] = path
  const part = partOf(template, key!)
  return part === undefined ? undefined : into(part, rest)
}

const partOf = (template: Template, key: string | number): Template | undefined => {
  if ("struct" in template) return Object.hasOwn(template.struct, key) ? template.struct[key] : undefined
  if ("tuple" in template) return template.tuple[Number(key)]
  if (!("literal" in template)) return undefined
  const value = template.literal
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return undefined
  return { literal: (value as { readonly [key: string | number]: Json })[key]! }
}

/** A struct of templates; a literal when all of them are. */
export const struct = (entries: ReadonlyArray<readonly [string, Template]>): Template =>
  entries.every(([, part]) => "literal" in part)
    ? { literal: Object.fromEntries(entries.map(([key, part]) => [key, literalOf(part)])) }
    : { struct: Object.fromEntries(entries) }

/** A tuple of templates; a literal when all of them are. */
export const tuple = (parts: ReadonlyArray<Template>): Template =>
  parts.every((part) => "literal" in part) ? { literal: parts.map(literalOf) } : { tuple: parts }

const literalOf = (template: Template): Json => ("literal" in template ? template.literal : null)

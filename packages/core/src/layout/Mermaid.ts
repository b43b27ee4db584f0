/**
 * A picture as a Mermaid flowchart. Its frames are subgraphs.
 */
import * as Markup from "./Markup.ts"
import type { Picture, PictureEdge } from "./Picture.ts"
import * as Text from "./Text.ts"

export const mermaid = (picture: Picture): string =>
  ["flowchart TD", ...Markup.write(picture, { node, open, close, edge }), ""].join("\n")

/**
 * A label in quotes. Everything that ends the quotes, starts an entity, is HTML or would be read as Markdown becomes an
 * entity by its number; the rest stays readable.
 */
const quote = (text: string): string => {
  const entity = (found: string) => `#${found.codePointAt(0)};`
  const safe = Text.printable(text)
    .replace(/["#&<>`*~[\]{}|\\;]/g, entity)
    .replace(/(?<!\w)_|_(?!\w)/g, entity)
    .replace(/^(\d+)([.)])(?=\s)/, (_, number: string, mark: string) => number + entity(mark))
    .replace(/^[-+](?=\s)/, entity)
  return `"${safe === "" ? " " : safe}"`
}

const node: Markup.Markup["node"] = ({ kind }, id, label) => {
  switch (kind) {
    case "task":
      return [`${id}[${quote(label)}]`]
    case "value":
      return [`${id}([${quote(label)}])`]
    case "each":
      return [...open({ id, label, kind }), close]
  }
}

const open = ({ id, label }: Markup.Frame): ReadonlyArray<string> => [`subgraph ${id}[${quote(label)}]`]

const close = "end"

const edge = ({ from, label, style, to }: PictureEdge, _: Picture, prefix: string): string => {
  const line = style === "success" ? "-->" : "-.->"
  return `${prefix}${from} ${line}${label === undefined ? "" : `|${quote(label)}|`} ${prefix}${to}`
}

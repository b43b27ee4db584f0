/**
 * A picture as a Mermaid flowchart. Bodies of `forEach`, handlers and inlined flows are subgraphs.
 */
import { title } from "./Picture.ts"
import type { Picture, PictureEdge, PictureNode, PictureRegion } from "./Picture.ts"
import { regionTree } from "./Regions.ts"
import type { RegionTree } from "./Regions.ts"
import * as Text from "./Text.ts"

export const mermaid = (picture: Picture): string =>
  ["flowchart TD", ...body(picture, "n", "  ", picture.regions), ""].join("\n")

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

const body = (
  picture: Picture,
  prefix: string,
  indent: string,
  regions: ReadonlyArray<PictureRegion>
): ReadonlyArray<string> => [
  ...subgraphs(regionTree(picture, regions), picture, prefix, indent, regions),
  ...picture.edges.map((edge) => indent + arrow(edge, prefix))
]

const subgraphs = (
  tree: RegionTree,
  picture: Picture,
  prefix: string,
  indent: string,
  regions: ReadonlyArray<PictureRegion>
): ReadonlyArray<string> => [
  ...tree.nodes.flatMap((index) => node(picture.nodes[index]!, `${prefix}${index}`, indent, regions)),
  ...tree.regions.flatMap(({ region, label, inner }) => [
    `${indent}subgraph ${prefix}r${region}[${quote(label)}]`,
    ...subgraphs(inner, picture, prefix, `${indent}  `, regions),
    `${indent}end`
  ])
]

const node = (
  node: PictureNode,
  id: string,
  indent: string,
  regions: ReadonlyArray<PictureRegion>
): ReadonlyArray<string> => {
  const label = quote(title(node))
  switch (node.kind) {
    case "task":
      return [`${indent}${id}[${label}]`]
    case "value":
      return [`${indent}${id}([${label}])`]
    case "each":
      return [`${indent}subgraph ${id}[${label}]`, ...body(node.body, `${id}_`, `${indent}  `, regions), `${indent}end`]
  }
}

const arrow = (edge: PictureEdge, prefix: string): string => {
  const line = edge.style === "success" ? "-->" : "-.->"
  const label = edge.label === undefined ? "" : `|${quote(edge.label)}|`
  return `${prefix}${edge.from} ${line}${label} ${prefix}${edge.to}`
}

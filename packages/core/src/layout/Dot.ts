/**
 * A picture in Graphviz's language. Its frames are clusters.
 */
import * as Markup from "./Markup.ts"
import type { Picture, PictureEdge } from "./Picture.ts"
import * as Text from "./Text.ts"

export const dot = (picture: Picture, name: string): string =>
  [
    `digraph ${quote(name)} {`,
    "  compound=true",
    "  rankdir=TB",
    '  graph [style="rounded", color="gray60", fontname="Helvetica"]',
    '  node [shape=box, style="rounded", fontname="Helvetica"]',
    '  edge [fontname="Helvetica", fontsize=11]',
    ...Markup.write(picture, { node, open, close: "}", edge }),
    "}",
    ""
  ].join("\n")

/** In quotes a backslash starts an escape of Graphviz's own, so it is doubled too. */
const quote = (text: string): string => `"${Text.printable(text).replace(/[\\"]/g, "\\$&")}"`

const shapes = { task: "", value: ', shape=ellipse, style=""', each: ", shape=box3d" } as const

const node: Markup.Markup["node"] = ({ kind }, id, label) => [`${id} [label=${quote(label)}${shapes[kind]}]`]

const open: Markup.Markup["open"] = ({ id, kind, label }) => [
  `subgraph cluster_${id} {`,
  `  label=${quote(label)}`,
  `  style="${kind === "each" ? "solid" : "rounded,dashed"}"`
]

/** Clusters have no edges of their own: one ends at a node inside and is cut off at the cluster's border. */
const edge = ({ from, label, style, to }: PictureEdge, picture: Picture, prefix: string): string => {
  const tail = end(picture, from, prefix, "last")
  const head = end(picture, to, prefix, "first")
  const attributes = [
    ...(label === undefined ? [] : [`label=${quote(label)}`]),
    ...(style === "success" ? [] : [`style=${style === "failure" ? "dashed" : "dotted"}`]),
    ...(tail.cluster === undefined ? [] : [`ltail=${tail.cluster}`]),
    ...(head.cluster === undefined ? [] : [`lhead=${head.cluster}`])
  ]
  return `${tail.id} -> ${head.id}${attributes.length === 0 ? "" : ` [${attributes.join(", ")}]`}`
}

const end = (
  picture: Picture,
  index: number,
  prefix: string,
  side: "first" | "last"
): { readonly id: string; readonly cluster: string | undefined } => {
  const node = picture.nodes[index]!
  const id = `${prefix}${index}`
  if (node.kind !== "each" || node.body.nodes.length === 0) return { id, cluster: undefined }
  const blocked = new Set(node.body.edges.map((edge) => (side === "first" ? edge.to : edge.from)))
  const inner = node.body.nodes.findIndex((_, at) => !blocked.has(at))
  return { id: end(node.body, Math.max(inner, 0), `${id}_`, side).id, cluster: `cluster_${id}` }
}

/**
 * A picture in Graphviz's language. Bodies of `forEach`, handlers and inlined flows are clusters.
 */
import { title } from "./Picture.ts"
import type { Picture, PictureEdge, PictureNode, PictureRegion } from "./Picture.ts"
import { regionTree } from "./Regions.ts"
import type { RegionTree } from "./Regions.ts"
import * as Text from "./Text.ts"

export const dot = (picture: Picture, name: string): string =>
  [
    `digraph ${quote(name)} {`,
    "  compound=true",
    "  rankdir=TB",
    '  graph [style="rounded", color="gray60", fontname="Helvetica"]',
    '  node [shape=box, style="rounded", fontname="Helvetica"]',
    '  edge [fontname="Helvetica", fontsize=11]',
    ...body(picture, "n", "  ", picture.regions),
    "}",
    ""
  ].join("\n")

/** In quotes a backslash starts an escape of Graphviz's own, so it is doubled too. */
const quote = (text: string): string => `"${Text.printable(text).replace(/[\\"]/g, "\\$&")}"`

const body = (
  picture: Picture,
  prefix: string,
  indent: string,
  regions: ReadonlyArray<PictureRegion>
): ReadonlyArray<string> => [
  ...clusters(regionTree(picture, regions), picture, prefix, indent, regions),
  ...picture.edges.map((edge) => indent + arrow(edge, picture, prefix))
]

const clusters = (
  tree: RegionTree,
  picture: Picture,
  prefix: string,
  indent: string,
  regions: ReadonlyArray<PictureRegion>
): ReadonlyArray<string> => [
  ...tree.nodes.flatMap((index) => node(picture.nodes[index]!, `${prefix}${index}`, indent, regions)),
  ...tree.regions.flatMap(({ region, label, inner }) => [
    `${indent}subgraph cluster_${prefix}r${region} {`,
    `${indent}  label=${quote(label)}`,
    `${indent}  style="rounded,dashed"`,
    ...clusters(inner, picture, prefix, `${indent}  `, regions),
    `${indent}}`
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
      return [`${indent}${id} [label=${label}]`]
    case "value":
      return [`${indent}${id} [label=${label}, shape=ellipse, style=""]`]
    case "each":
      if (node.body.nodes.length === 0) return [`${indent}${id} [label=${label}, shape=box3d]`]
      return [
        `${indent}subgraph cluster_${id} {`,
        `${indent}  label=${label}`,
        `${indent}  style="solid"`,
        ...body(node.body, `${id}_`, `${indent}  `, regions),
        `${indent}}`
      ]
  }
}

/** Clusters have no edges of their own: one ends at a node inside and is cut off at the cluster's border. */
const arrow = (edge: PictureEdge, picture: Picture, prefix: string): string => {
  const from = end(picture, edge.from, prefix, "last")
  const to = end(picture, edge.to, prefix, "first")
  const attributes = [
    ...(edge.label === undefined ? [] : [`label=${quote(edge.label)}`]),
    ...(edge.style === "success" ? [] : [`style=${edge.style === "failure" ? "dashed" : "dotted"}`]),
    ...(from.cluster === undefined ? [] : [`ltail=${from.cluster}`]),
    ...(to.cluster === undefined ? [] : [`lhead=${to.cluster}`])
  ]
  return `${from.id} -> ${to.id}${attributes.length === 0 ? "" : ` [${attributes.join(", ")}]`}`
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

/**
 * A picture in a language of nodes, edges and frames: what Graphviz and Mermaid have in common. Bodies of `forEach`,
 * handlers and inlined flows are frames.
 */
import { title } from "./Picture.ts"
import type { Picture, PictureEdge, PictureNode } from "./Picture.ts"
import { regionTree } from "./Regions.ts"
import type { RegionTree } from "./Regions.ts"

export interface Frame {
  readonly id: string
  readonly label: string
  readonly kind: "region" | "each"
}

/** How a language writes the parts; a node's id is its picture's prefix and its position. */
export interface Markup {
  /** A node with nothing in it. */
  readonly node: (node: PictureNode, id: string, label: string) => ReadonlyArray<string>
  /** The lines before those of a frame, and the line after them. */
  readonly open: (frame: Frame) => ReadonlyArray<string>
  readonly close: string
  readonly edge: (edge: PictureEdge, picture: Picture, prefix: string) => string
}

/** The lines of a picture: its nodes, framed, then its edges. */
export const write = (picture: Picture, markup: Markup): ReadonlyArray<string> => {
  const body = (of: Picture, prefix: string): ReadonlyArray<string> => [
    ...inside(regionTree(of, picture.regions), of, prefix),
    ...of.edges.map((edge) => markup.edge(edge, of, prefix))
  ]
  const inside = (tree: RegionTree, of: Picture, prefix: string): ReadonlyArray<string> => [
    ...tree.nodes.flatMap((index) => node(of.nodes[index]!, `${prefix}${index}`)),
    ...tree.regions.flatMap(({ region, label, inner }) =>
      framed({ id: `${prefix}r${region}`, label, kind: "region" }, inside(inner, of, prefix))
    )
  ]
  const node = (node: PictureNode, id: string): ReadonlyArray<string> => {
    const label = title(node)
    return node.kind === "each" && node.body.nodes.length > 0
      ? framed({ id, label, kind: "each" }, body(node.body, `${id}_`))
      : markup.node(node, id, label)
  }
  const framed = (frame: Frame, lines: ReadonlyArray<string>): ReadonlyArray<string> => [
    ...markup.open(frame),
    ...lines.map(indented),
    markup.close
  ]
  return body(picture, "n").map(indented)
}

const indented = (line: string): string => `  ${line}`

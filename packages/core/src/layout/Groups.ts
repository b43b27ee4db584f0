/**
 * Like steps as one: a picture in which all calls of one task in one generation are a single node, `mProject × 22`.
 * That is what a large scientific workflow looks like on a page of its documentation.
 */
import { generations } from "./Generations.ts"
import { remembered } from "./Picture.ts"
import type { EachNode, Picture, PictureEdge, PictureNode } from "./Picture.ts"

export const group = remembered((picture: Picture): Picture => {
  const generation = generations(picture)
  const groups = new Map<string, Array<PictureNode>>()
  const groupOf: Array<number> = []
  const position = new Map<string, number>()
  picture.nodes.forEach((node, index) => {
    const key = `${generation[index]} ${likeness(node)}`
    const known = groups.get(key)
    if (known === undefined) {
      position.set(key, groups.size)
      groups.set(key, [node])
    } else known.push(node)
    groupOf.push(position.get(key)!)
  })
  const edges = new Map<string, PictureEdge>()
  for (const edge of picture.edges) {
    const [from, to] = [groupOf[edge.from]!, groupOf[edge.to]!]
    const key = `${from} ${to} ${edge.style === "success" ? "" : (edge.label ?? edge.style)}`
    if (!edges.has(key)) edges.set(key, { ...edge, from, to })
  }
  return { nodes: [...groups.values()].map(merge), edges: strongest([...edges.values()]), regions: picture.regions }
})

/** What makes two nodes alike: their task, or the tasks of their bodies. */
const likeness = (node: PictureNode): string => {
  switch (node.kind) {
    case "task":
      return `task ${node.task}`
    case "value":
      return `value ${bare(node.label)}`
    case "each":
      return `each ${node.count ?? ""} ${node.concurrency ?? ""} (${node.body.nodes.map(likeness).join(", ")})`
  }
}

/** An id without its number: `resize` of `resize#12`. */
const bare = (id: string): string => id.replace(/#\d+$/, "")

const merge = (nodes: ReadonlyArray<PictureNode>): PictureNode => {
  const [first] = nodes as [PictureNode]
  if (nodes.length === 1) return first
  const steps = nodes.flatMap((node) => node.steps)
  switch (first.kind) {
    case "task":
      return { ...first, label: first.task, steps }
    case "value":
      return { ...first, label: bare(first.label), steps }
    case "each": {
      const all = nodes.filter((node): node is EachNode => node.kind === "each")
      const body = first.body.nodes.map((_, at) => merge(all.map((node) => node.body.nodes[at]!)))
      return {
        ...first,
        label: bare(first.label),
        steps,
        forks: all.flatMap((node) => node.forks),
        exits: all.flatMap((node) => node.exits),
        body: { ...first.body, nodes: body }
      }
    }
  }
}

/** One edge between two groups, success before the others. */
const strongest = (edges: ReadonlyArray<PictureEdge>): ReadonlyArray<PictureEdge> => {
  const best = new Map<string, PictureEdge>()
  for (const edge of edges) {
    const key = `${edge.from} ${edge.to}`
    const known = best.get(key)
    if (known === undefined || (known.style !== "success" && edge.style === "success")) best.set(key, edge)
  }
  return [...best.values()]
}

/**
 * The generation of every node of a picture: 0 without sources, else one more than that of its latest source.
 */
import { DirectedGraph } from "graphology"
import { forEachTopologicalGeneration } from "graphology-dag"
import { remembered } from "./Picture.ts"
import type { Picture } from "./Picture.ts"

export const generations = remembered((picture: Picture): ReadonlyArray<number> => {
  const graph = new DirectedGraph()
  picture.nodes.forEach((_, index) => graph.addNode(index))
  for (const edge of picture.edges) graph.mergeDirectedEdge(edge.from, edge.to)
  const result = new Array<number>(picture.nodes.length).fill(0)
  let generation = 0
  forEachTopologicalGeneration(graph, (nodes) => {
    for (const node of nodes) result[Number(node)] = generation
    generation++
  })
  return result
})

/**
 * What is drawn of a plan: the steps the user wrote and how they depend on each other, without what the compiler added.
 *
 * A picture is plain JSON. Its nodes are numbered by their position; `steps` leads back to the plan's nodes, so that the
 * progress of a run can be laid over it. A `forEach` is one node with a picture of its body inside.
 */
import { memoize } from "effect/Function"

/** Which end of its source an edge stands for: success, a failure, or either. */
export type EdgeStyle = "success" | "failure" | "settled"

export interface PictureEdge {
  /** Position of the source among the picture's nodes. */
  readonly from: number
  /** Position of the reader. */
  readonly to: number
  readonly style: EdgeStyle
  /** What makes it fire, where it is not plain success: `on NotFound`. */
  readonly label?: string
}

interface NodeFields {
  /** The plan's readable id; unique in the whole picture. */
  readonly id: string
  readonly label: string
  /** The plan nodes it stands for: one, or several where a drawing folds like steps together. */
  readonly steps: ReadonlyArray<number>
  /** The innermost region it lies in, by position among those of the outermost picture. */
  readonly region?: number
}

/** A call of a task. */
export interface TaskNode extends NodeFields {
  readonly kind: "task"
  readonly task: string
}

/** A value put together from others, or known when the flow was written. */
export interface ValueNode extends NodeFields {
  readonly kind: "value"
}

/** A `forEach`. */
export interface EachNode extends NodeFields {
  readonly kind: "each"
  /** The number of elements, where the plan has it. */
  readonly count?: number
  /** How many instances may be open at once. */
  readonly concurrency?: number
  /** Plan nodes that are the compiler's part of it: what finds the elements and lets the instances begin. */
  readonly forks: ReadonlyArray<number>
  /** The plan nodes whose end is that of an instance. */
  readonly exits: ReadonlyArray<number>
  readonly body: Picture
}

export type PictureNode = TaskNode | ValueNode | EachNode

/** An inlined flow or a handler of failures: a callback whose steps belong together. */
export interface PictureRegion {
  readonly kind: "flow" | "catch"
  readonly label: string
  /** Position of the region around it. */
  readonly parent?: number
}

export interface Picture {
  readonly nodes: ReadonlyArray<PictureNode>
  readonly edges: ReadonlyArray<PictureEdge>
  /** Of the outermost picture; empty in the body of a `forEach`. */
  readonly regions: ReadonlyArray<PictureRegion>
}

/** The edges of every node, by position. */
export interface Adjacency {
  readonly into: ReadonlyArray<ReadonlyArray<PictureEdge>>
  readonly out: ReadonlyArray<ReadonlyArray<PictureEdge>>
}

export const adjacency = (picture: Picture): Adjacency => {
  const into = picture.nodes.map((): Array<PictureEdge> => [])
  const out = picture.nodes.map((): Array<PictureEdge> => [])
  for (const edge of picture.edges) {
    into[edge.to]!.push(edge)
    out[edge.from]!.push(edge)
  }
  return { into, out }
}

/** What its box says: the label, and how many steps it stands for. */
export const title = (node: PictureNode, times = "×"): string => {
  const many = node.steps.length > 1 ? ` ${times} ${node.steps.length}` : ""
  if (node.kind !== "each") return node.label + many
  const limit = node.concurrency === undefined ? "" : `, ${node.concurrency} at a time`
  return `${node.label} ${times} ${node.count ?? "n"}${limit}${many === "" ? "" : `,${many}`}`
}

/** How many steps it shows, those inside of bodies included. */
export const size = (picture: Picture): number =>
  picture.nodes.reduce((sum, node) => sum + node.steps.length + (node.kind === "each" ? size(node.body) : 0), 0)

/** The same function, that works once per picture: pictures never change, and a live drawing is made again and again. */
export const remembered = <A>(make: (picture: Picture) => A): ((picture: Picture) => A) => {
  // `memoize` forgets what is undefined.
  const made = memoize((picture: Picture) => ({ result: make(picture) }))
  return (picture) => made(picture).result
}

/**
 * A plan as a graph in memory, for everything that asks about its shape: cycles, generations, the critical path, what
 * reaches what, and every drawing.
 */
import { memoize } from "effect/Function"
import { DirectedGraph } from "graphology"
import { hasCycle, topologicalGenerations } from "graphology-dag"
import { bodies } from "./Bodies.ts"
import type { Condition, Edge, Node, Plan } from "./Document.ts"

export interface NodeAttributes {
  readonly number: number
  readonly id: string
  readonly body: number
  readonly region: number
  readonly node: Node
}

/**
 * How a node depends on another: its `join` is over it, it is the `gate`, or it is of a `body` (from what releases the
 * instances to the nodes an instance starts with, and from an instance's exit to the collect).
 */
export interface Link {
  readonly kind: "join" | "gate" | "body"
  readonly when: Condition
}

export interface EdgeAttributes {
  readonly links: ReadonlyArray<Link>
  /** The source is in a body around the target's. */
  readonly captured: boolean
}

export type Graph = DirectedGraph<NodeAttributes, EdgeAttributes>

/** The graph of a plan; keys are the nodes' numbers as text. Made once per plan, so read it only. */
export const graph: (plan: Plan) => Graph = memoize((plan) => {
  const graph: Graph = new DirectedGraph()
  const bodyOf = bodies(plan)
  plan.nodes.forEach((node, number) => {
    graph.addNode(String(number), { number, id: node.id, body: bodyOf[number]!, region: node.region, node })
  })
  const connect = (from: number, to: number, link: Link): void => {
    const source = String(from)
    const target = String(to)
    const edge = graph.edge(source, target)
    if (edge === undefined) {
      const captured = link.kind !== "body" && bodyOf[from] !== bodyOf[to]
      graph.addEdge(source, target, { links: [link], captured })
    } else {
      graph.updateEdgeAttribute(edge, "links", (links) => [...(links ?? []), link])
    }
  }
  const join = (to: number, kind: "join" | "gate", edge: Edge): void =>
    connect(edge.from, to, { kind, when: edge.when ?? "success" })
  plan.nodes.forEach((node, number) => {
    if (node.gate !== undefined) join(number, "gate", node.gate)
    for (const edge of node.edges) join(number, "join", edge)
  })
  plan.bodies.forEach((body, index) => {
    if (body._tag === "Root") return
    for (let number = body.first; number < body.first + body.count; number++) {
      const { edges, gate } = plan.nodes[number]!
      if (gate !== undefined || edges.some((edge) => bodyOf[edge.from] === index)) continue
      connect(body.release, number, { kind: "body", when: "success" })
    }
    connect(body.exit, body.collect, { kind: "body", when: "success" })
  })
  return graph
})

/** The nodes by how many steps they are from a start; nodes of one generation can run at the same time. */
export const generations = (plan: Plan): ReadonlyArray<ReadonlyArray<number>> =>
  topologicalGenerations(graph(plan)).map((keys) => keys.map(Number))

/** The longest way through a plan. */
export interface CriticalPath {
  /** The nodes on it, in order. */
  readonly nodes: ReadonlyArray<number>
  /** The sum of their weights, in the unit of these. */
  readonly length: number
}

/**
 * The way through a plan that takes longest, however many workers there are; one instance per `forEach`. `weight` says
 * how long a node takes, in milliseconds. Without it, work counts 1 and passes, which take no time, 0: then the length
 * is the number of tasks in a row.
 */
export const criticalPath = (plan: Plan, weight: (node: Node, number: number) => number = workload): CriticalPath => {
  const all = graph(plan)
  const lengths: Array<number> = []
  const previous: Array<number | undefined> = []
  let last: number | undefined
  for (const generation of generations(plan)) {
    for (const number of generation) {
      let before: number | undefined
      all.forEachInNeighbor(String(number), (_, { number: from }) => {
        if (before === undefined || lengths[from]! > lengths[before]!) before = from
      })
      previous[number] = before
      lengths[number] = weight(plan.nodes[number]!, number) + (before === undefined ? 0 : lengths[before]!)
      // Of equal ways the one that gets further.
      if (last === undefined || lengths[number]! >= lengths[last]!) last = number
    }
  }
  const nodes: Array<number> = []
  for (let number = last; number !== undefined; number = previous[number]) nodes.push(number)
  return { nodes: nodes.reverse(), length: last === undefined ? 0 : lengths[last]! }
}

const workload = (node: Node): number => (node._tag === "Task" || node._tag === "Decide" ? 1 : 0)

/** The nodes of a cycle, each depending on the next; nothing when there is none. */
export const cycle = (plan: Plan): ReadonlyArray<number> | undefined => {
  const all = graph(plan)
  if (!hasCycle(all)) return undefined
  const done = new Set<string>()
  for (const start of all.nodes()) {
    // Depth first; `path` is the way from `start` to here, with the neighbours still to visit at each stop.
    const path: Array<{ readonly key: string; readonly rest: Array<string> }> = []
    const onPath = new Set<string>()
    const enter = (key: string) => {
      onPath.add(key)
      path.push({ key, rest: all.inNeighbors(key) })
    }
    if (!done.has(start)) enter(start)
    while (path.length > 0) {
      const here = path[path.length - 1]!
      const next = here.rest.pop()
      if (next === undefined) {
        path.pop()
        onPath.delete(here.key)
        done.add(here.key)
      } else if (onPath.has(next)) {
        return path.slice(path.findIndex((stop) => stop.key === next)).map((stop) => Number(stop.key))
      } else if (!done.has(next)) {
        enter(next)
      }
    }
  }
  return undefined
}

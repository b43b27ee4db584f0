/**
 * From a plan to its picture: the compiler's nodes are folded away.
 *
 * - A `forEach` is four or more plan nodes and a body: here one node, with the body's picture inside. Edges that reach
 *   into a body or out of it reach the node.
 * - Entry, exit, merge and release passes vanish; what they connected is connected directly. An entry's gate shows only
 *   at the steps of its region that have no other source in it: where the branch begins.
 * - A value pass shows when it has more than one reader or is the result; otherwise its members lead to its reader.
 * - A handler of failures that makes no step shows what it returns, or there would be no branch to see.
 */
import { bodies } from "../plan/Bodies.ts"
import type { Condition, Each, Edge, Node, Plan, Template } from "../plan/Document.ts"
import type { EdgeStyle, Picture, PictureEdge, PictureNode, PictureRegion } from "./Picture.ts"

type Link = { readonly from: number; readonly style: EdgeStyle; readonly label: string | undefined }

/** The picture of a plan. */
export const fold = (plan: Plan): Picture => {
  const bodyOf = bodies(plan)
  const lifted = lift(plan, bodyOf)
  const { regions, regionOf } = pictureRegions(plan)
  const shown = shownFallbacks(plan)
  return foldBody({ plan, lifted, regionOf, shown }, 0, regions)
}

interface Context {
  readonly plan: Plan
  readonly lifted: Lifted
  /** By plan region: the picture's region. */
  readonly regionOf: ReadonlyArray<number | undefined>
  /** Passes that stand for a handler without steps. */
  readonly shown: ReadonlySet<number>
}

const each = (plan: Plan, body: number): Each => plan.bodies[body] as Each

interface Lifted {
  /** The nodes of every body that are drawn or folded there; a `forEach` is its `Collect` node. */
  readonly members: ReadonlyArray<ReadonlyArray<number>>
  /** Incoming edges by node, of the same body. */
  readonly into: ReadonlyArray<ReadonlyArray<Incoming>>
}

interface Incoming {
  readonly edge: Edge
  readonly gate: boolean
}

/** Moves the ends of edges out of inner bodies, until both ends lie in the same one. */
const lift = (plan: Plan, bodyOf: ReadonlyArray<number>): Lifted => {
  const depth: Array<number> = []
  const stands = new Map<number, number>()
  for (const body of plan.bodies) {
    depth.push(body._tag === "Root" ? 0 : depth[body.parent]! + 1)
    if (body._tag === "Each") stands.set(body.fork, body.collect).set(body.release, body.collect)
  }
  const members = plan.bodies.map((): Array<number> => [])
  const into = plan.nodes.map((): Array<Incoming> => [])
  const connect = (from: number, to: number, edge: Edge, gate: boolean) => {
    while (bodyOf[from] !== bodyOf[to]) {
      if (depth[bodyOf[from]!]! >= depth[bodyOf[to]!]!) from = each(plan, bodyOf[from]!).collect
      else to = each(plan, bodyOf[to]!).collect
    }
    const source = stands.get(from) ?? from
    const target = stands.get(to) ?? to
    if (source !== target) into[target]!.push({ edge: { ...edge, from: source }, gate })
  }
  plan.nodes.forEach((node, index) => {
    if (!stands.has(index)) members[bodyOf[index]!]!.push(index)
    if (node.gate !== undefined) connect(node.gate.from, index, node.gate, true)
    for (const edge of node.edges) connect(edge.from, index, edge, false)
  })
  return { members, into }
}

const foldBody = (context: Context, body: number, regions: ReadonlyArray<PictureRegion> = []): Picture => {
  const { plan, lifted } = context
  const order = topological(lifted, body)
  const visible = chooseVisible(context, body, order)
  const sources = new Map<number, ReadonlyArray<Link>>()
  for (const index of order) {
    const links: Array<Link> = []
    for (const { edge, gate } of lifted.into[index]!) {
      // Known unless the document has a cycle; then the edge that closes it is left out.
      if (!sources.has(edge.from)) continue
      if (gate && isEntry(plan, edge.from) && hasOwnSource(context, index)) continue
      const through = visible.has(edge.from)
        ? [{ from: edge.from, style: "success" as const, label: undefined }]
        : sources.get(edge.from)!
      for (const link of through) links.push(compose(link, edge.when))
    }
    sources.set(index, unique(links))
  }
  const drawn = lifted.members[body]!.filter((index) => visible.has(index))
  const position = new Map(drawn.map((index, at) => [index, at]))
  const edges: Array<PictureEdge> = []
  for (const index of drawn) {
    for (const { from, style, label } of sources.get(index)!) {
      edges.push({
        from: position.get(from)!,
        to: position.get(index)!,
        style,
        ...(label === undefined ? {} : { label })
      })
    }
  }
  return { nodes: drawn.map((index) => draw(context, index)), edges, regions }
}

/** Kahn's order over one body. Compiled plans are acyclic; in a document that is not, the rest comes as numbered. */
const topological = (lifted: Lifted, body: number): ReadonlyArray<number> => {
  const members = lifted.members[body]!
  const waiting = new Map(members.map((index) => [index, lifted.into[index]!.length]))
  const readers = new Map<number, Array<number>>(members.map((index) => [index, []]))
  for (const index of members) for (const { edge } of lifted.into[index]!) readers.get(edge.from)!.push(index)
  const order = members.filter((index) => waiting.get(index) === 0)
  for (let at = 0; at < order.length; at++) {
    for (const reader of readers.get(order[at]!)!) {
      const left = waiting.get(reader)! - 1
      waiting.set(reader, left)
      if (left === 0) order.push(reader)
    }
  }
  return order.length === members.length ? order : [...new Set([...order, ...members])]
}

const isEntry = (plan: Plan, index: number): boolean => {
  const node = plan.nodes[index]!
  return node._tag === "Pass" && node.role === "entry"
}

/** Whether a node has a source in its own region, or one inside of it, beside the region's entry. */
const hasOwnSource = ({ plan, lifted }: Context, index: number): boolean => {
  const region = plan.nodes[index]!.region
  return lifted.into[index]!.some(({ edge, gate }) => !gate && within(plan, plan.nodes[edge.from]!.region, region))
}

const within = (plan: Plan, region: number, outer: number): boolean => {
  for (let at: number | undefined = region; at !== undefined; at = plan.regions[at]?.parent) {
    if (at === outer) return true
  }
  return false
}

/**
 * Which nodes of a body show. Decided from the end to the beginning, as a pass shows by who reads it; two readers are
 * enough to know, so no more are kept.
 */
const chooseVisible = (
  { plan, lifted, shown }: Context,
  body: number,
  order: ReadonlyArray<number>
): ReadonlySet<number> => {
  const result = -1
  const exit = plan.bodies[body]!.exit
  const readers = new Map<number, Set<number>>(order.map((index) => [index, new Set()]))
  const visible = new Set<number>()
  for (let at = order.length - 1; at >= 0; at--) {
    const index = order[at]!
    const node = plan.nodes[index]!
    const read = readers.get(index)!
    if (index === exit) read.add(result)
    if (shows(node, read, result) || shown.has(index)) visible.add(index)
    const passed = visible.has(index) ? [index] : read
    for (const { edge } of lifted.into[index]!) {
      const known = readers.get(edge.from)!
      for (const reader of passed) if (known.size < 2) known.add(reader)
    }
  }
  return visible
}

const shows = (node: Node, read: ReadonlySet<number>, result: number): boolean => {
  switch (node._tag) {
    case "Task":
    case "Collect":
      return true
    case "Decide":
    case "Fork":
      return false
    case "Pass":
      return (
        node.role === "value" &&
        (read.size > 1 || (read.has(result) && new Set(node.edges.map((edge) => edge.from)).size !== 1))
      )
  }
}

/** For every `catch` region in which nothing is done: the pass that stands for it. */
const shownFallbacks = (plan: Plan): ReadonlySet<number> => {
  const busy = new Set<number>()
  const value = new Map<number, number>()
  const exit = new Map<number, number>()
  plan.nodes.forEach((node, index) => {
    if (node._tag === "Task" || node._tag === "Collect") {
      for (let at: number | undefined = node.region; at !== undefined; at = plan.regions[at]?.parent) busy.add(at)
    } else if (node._tag === "Pass" && node.role === "value") value.set(node.region, index)
    else if (node._tag === "Pass" && node.role === "exit") exit.set(node.region, index)
  })
  const shown = new Set<number>()
  plan.regions.forEach((region, index) => {
    const stand = value.get(index) ?? exit.get(index)
    if (region.kind === "catch" && !busy.has(index) && stand !== undefined) shown.add(stand)
  })
  return shown
}

const conditionStyle = (when: Condition | undefined): { readonly style: EdgeStyle; readonly label?: string } => {
  if (when === undefined || when === "success") return { style: "success" }
  if (when === "settled") return { style: "settled", label: "settled" }
  if ("branch" in when) return { style: "success", label: `if ${when.branch}` }
  if (when.failure === "any") return { style: "failure", label: "on failure" }
  if (when.failure === "declared") return { style: "failure", label: "on error" }
  return { style: "failure", label: `on ${when.failure.join(", ")}` }
}

/** One edge for a path through a folded node: a failure on the way decides, then whether either end will do. */
const compose = (link: Link, when: Condition | undefined): Link => {
  const next = conditionStyle(when)
  const style =
    link.style === "failure" || next.style === "failure"
      ? "failure"
      : link.style === "settled" || next.style === "settled"
        ? "settled"
        : "success"
  return { from: link.from, style, label: link.label ?? next.label }
}

/**
 * At most one edge between two nodes. Success beside a failure is a reader of either end; success beside an end that is
 * only awaited needs the success.
 */
const unique = (links: ReadonlyArray<Link>): ReadonlyArray<Link> => {
  if (links.length < 2) return links
  const best = new Map<number, Link>()
  for (const link of links) {
    const known = best.get(link.from)
    best.set(link.from, known === undefined ? link : both(known, link))
  }
  return [...best.values()]
}

const both = (a: Link, b: Link): Link => {
  if (a.style === b.style) return a
  const styles = [a.style, b.style]
  if (styles.includes("failure")) return { from: a.from, style: "settled", label: "settled" }
  return a.style === "success" ? a : b
}

const draw = (context: Context, index: number): PictureNode => {
  const { plan, regionOf, shown } = context
  const node = plan.nodes[index]!
  const region = regionOf[node.region]
  const fields = { id: node.id, steps: [index], ...(region === undefined ? {} : { region }) }
  switch (node._tag) {
    case "Task":
      return { kind: "task", ...fields, label: node.id, task: node.task }
    case "Collect":
      return drawEach(context, fields, node.body)
    case "Pass":
      return { kind: "value", ...fields, label: valueLabel(node.id, node.value, shown.has(index)) }
    case "Decide":
    case "Fork":
      return { kind: "value", ...fields, label: node.id }
  }
}

const drawEach = (
  context: Context,
  fields: Pick<PictureNode, "id" | "steps" | "region">,
  index: number
): PictureNode => {
  const body = each(context.plan, index)
  const decided = context.plan.decides.find((decision) => decision.node === body.fork)?.of
  const count =
    decided === undefined
      ? undefined
      : "tuple" in decided
        ? decided.tuple.length
        : "literal" in decided && Array.isArray(decided.literal)
          ? decided.literal.length
          : undefined
  return {
    kind: "each",
    ...fields,
    label: fields.id,
    ...(count === undefined ? {} : { count }),
    ...(body.concurrency === undefined ? {} : { concurrency: body.concurrency }),
    forks: [...new Set([body.fork, body.release])],
    exits: [body.exit],
    body: foldBody(context, index)
  }
}

/** A literal is its own best label. A handler without steps is what it returns: its tag and fields, as far as known. */
const valueLabel = (id: string, value: Template | undefined, fallback: boolean): string => {
  if (value !== undefined && "literal" in value) return JSON.stringify(value.literal)
  if (!fallback) return id
  if (value === undefined || !("struct" in value)) return "fallback"
  const { _tag: tag, ...fields } = value.struct
  const name = tag !== undefined && "literal" in tag && typeof tag.literal === "string" ? `${tag.literal} ` : ""
  return `${name}{ ${Object.keys(fields).join(", ")} }`
}

/** The regions a drawing may frame: inlined flows and handlers; the flow itself and the bodies of `forEach` are pictures. */
const pictureRegions = (plan: Plan) => {
  const regions: Array<PictureRegion> = []
  const regionOf: Array<number | undefined> = []
  for (const region of plan.regions) {
    const parent = region.parent === undefined ? undefined : regionOf[region.parent]
    if (region.kind === "forEach" || region.parent === undefined) regionOf.push(undefined)
    else {
      regionOf.push(regions.length)
      regions.push({ kind: region.kind, label: region.label, ...(parent === undefined ? {} : { parent }) })
    }
  }
  return { regions, regionOf }
}

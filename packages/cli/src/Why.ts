/**
 * What a node of a run waits for, down to the nodes that hold all the others up.
 */
import type { NodeView, RunView, WorkerView } from "@arpeggio/core/Broker"
import * as Defaults from "@arpeggio/core/Defaults"
import { isEnd } from "@arpeggio/core/Phase"
import type { Phase } from "@arpeggio/core/Phase"
import type { Edge, Node, Plan } from "@arpeggio/core/Plan"
import * as Address from "@arpeggio/core/plan/Address"
import { bodies } from "@arpeggio/core/plan/Bodies"
import * as FailureText from "./FailureText.ts"
import * as Figures from "./Figures.ts"
import * as MissingWorkers from "./MissingWorkers.ts"

/** What is known of a run. */
export interface Known {
  readonly plan: Plan
  readonly view: RunView
  /** By address. */
  readonly nodes: ReadonlyMap<string, NodeView>
  readonly workers: ReadonlyArray<WorkerView>
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** Where a node stands, and the nodes it waits for. */
export interface Reason {
  /** Readable id. */
  readonly node: string
  /** `unborn`: its instance does not exist yet. */
  readonly state: Phase | "unborn"
  /** In a sentence without its end. */
  readonly because: string
  /** Those that have not ended. */
  readonly waitsFor: ReadonlyArray<Reason>
}

/** Nodes that one node is said to wait for at most. */
const most = 5

/** Why the node at an address is where it is. The address is one of the plan. */
export const explain = (known: Known, address: string): Reason => reasonOf(known, address, new Set())

const reasonOf = (known: Known, address: string, seen: Set<string>): Reason => {
  const { plan, nodes } = known
  const node = nodes.get(address)
  const id = Address.toId(plan, address)
  if (node === undefined) return { node: id, state: "unborn", because: unborn(known, address), waitsFor: [] }
  if (node.state !== "blocked") return { node: id, state: node.state, because: standing(known, node), waitsFor: [] }
  // What was explained above is not explained again.
  const sources = openSources(known, address)
  const open = sources.filter((source) => !seen.has(source))
  for (const source of open) seen.add(source)
  const shown = open.slice(0, most).map((source) => reasonOf(known, source, seen))
  const more = open.length > most ? `, the first ${most} of which are` : ""
  const because =
    open.length === 0
      ? sources.length === 0
        ? "waits for the run to go on"
        : "waits for what is named above"
      : `waits for ${Figures.plural(open.length, "other node", "other nodes")}${more}`
  return { node: id, state: "blocked", because, waitsFor: shown }
}

/** The addresses it depends on that have not ended; what only routes is replaced by what it waits for itself. */
const openSources = (known: Known, address: string): ReadonlyArray<string> => {
  const found = new Set<string>()
  for (const source of sourcesOf(known, address)) {
    const state = known.nodes.get(source)?.state
    if (state !== undefined && isEnd(state)) continue
    if (state === "blocked" && isRouting(nodeAt(known.plan, source)))
      for (const behind of openSources(known, source)) found.add(behind)
    else found.add(source)
  }
  return Array.from(found)
}

const sourcesOf = ({ plan, nodes }: Known, address: string): ReadonlyArray<string> => {
  const { frame } = Address.parse(address)!
  const node = nodeAt(plan, address)
  const edges: ReadonlyArray<Edge> = node.gate === undefined ? node.edges : [node.gate, ...node.edges]
  const direct = edges.map(({ from }) => Address.make(frame.slice(0, depthOf(plan, from)), from))
  if (node._tag !== "Collect") return direct
  const body = plan.bodies[node.body]!
  const self = Address.parse(address)!.node
  const exits: Array<string> = []
  for (let i = 0; ; i++) {
    const exit = Address.make([...frame, [self, i]], body.exit)
    if (!nodes.has(exit)) break
    exits.push(exit)
  }
  return [...direct, ...exits]
}

const nodeAt = (plan: Plan, address: string): Node => plan.nodes[Address.parse(address)!.node]!

/** How many `forEach` are around a node. */
const depthOf = (plan: Plan, index: number): number => {
  let depth = 0
  let body = plan.bodies[bodies(plan)[index]!]!
  while (body._tag === "Each") {
    depth++
    body = plan.bodies[body.parent]!
  }
  return depth
}

/** Passes that the compiler added, and forks, are nothing a user has written. */
const isRouting = (node: Node): boolean => node._tag === "Fork" || (node._tag === "Pass" && node.role !== "value")

const unborn = ({ plan }: Known, address: string): string => {
  const body = plan.bodies[bodies(plan)[Address.parse(address)!.node]!]!
  if (body._tag === "Root") return "there is no such node in the run"
  const each = plan.nodes[body.collect]!.id
  return body.concurrency === undefined
    ? `${each} has no such element, or is not decided yet`
    : `${each} has not come to this element: it takes ${body.concurrency} at once`
}

/** Where a node is that waits for no other. */
const standing = (known: Known, node: NodeView): string => {
  const { plan, workers, now } = known
  const failed = node.failed === undefined ? "" : FailureText.brief(node.failed)
  const lost = node.lost === 0 ? "" : `; ${Figures.plural(node.lost, "worker")} died over it before`
  switch (node.state) {
    case "ready":
      return `${ready(known, node)}${failed === "" ? "" : `; attempt ${node.attempt - 1} failed: ${failed}`}${lost}`
    case "running":
      return `running, attempt ${node.attempt}${node.worker === undefined ? "" : `, on ${workers.find(({ id }) => id === node.worker)?.host ?? node.worker}`}${lost}`
    case "scheduled": {
      const due = node.dueAt === undefined ? "later" : `in ${Figures.duration(Math.max(0, node.dueAt - now))}`
      return failed === ""
        ? `begins ${due}: it is delayed`
        : `is tried again ${due}; attempt ${node.attempt} failed: ${failed}`
    }
    case "succeeded":
      return "succeeded"
    case "failed":
      return `failed at attempt ${node.attempt}: ${failed}`
    case "skipped":
      return `skipped, for what it depends on failed: ${failed}`
    case "void":
      return "on a branch that was not taken"
    case "cancelled":
      return "cancelled before it ended"
    case "blocked":
      return `waits for others in ${plan.flow}`
  }
}

const ready = ({ plan, workers }: Known, { address }: NodeView): string => {
  const node = nodeAt(plan, address)
  if (node._tag !== "Task" && node._tag !== "Decide") return "ready"
  const queue = node.policy?.queue ?? Defaults.policy.queue
  const task = node._tag === "Task" ? node.task : undefined
  const able = workers.filter((worker) => MissingWorkers.canRun(worker, task, queue))
  if (able.length === 0)
    return `ready in queue ${queue}, and no worker is known that can run ${task ?? "built-in steps"} there`
  const slots = able.reduce((sum, worker) => sum + worker.concurrency, 0)
  const busy = able.reduce((sum, worker) => sum + worker.running, 0)
  return `ready in queue ${queue}; ${Figures.plural(able.length, "worker")} can run it, ${Figures.count(busy)} of ${Figures.plural(slots, "slot")} busy`
}

/** The reasons as a tree of lines. */
export const toLines = (reason: Reason): ReadonlyArray<string> => {
  const end = reason.waitsFor.length > 0 ? ":" : reason.because.endsWith(".") ? "" : "."
  const line = `${reason.node}: ${reason.because}${end}`
  const inner = reason.waitsFor.flatMap((each, i) => {
    const isLast = i === reason.waitsFor.length - 1
    return toLines(each).map((text, j) => `${j === 0 ? (isLast ? "└ " : "├ ") : isLast ? "  " : "│ "}${text}`)
  })
  return [line, ...inner]
}
